"""The source of an event is the command that its process runs."""

import ctypes
import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.waiting import eventually
from theiafs import processes
from theiafs.processes import process_of

PR_SET_NAME = 15


def test_a_thread_writes_in_the_name_of_its_process() -> None:
    """Whatever it calls itself."""
    names: list[str] = []
    own = Path("/proc/self/comm").read_text().rstrip("\n")

    def write() -> None:
        ctypes.CDLL(None).prctl(PR_SET_NAME, b"worker: 1")
        assert Path(f"/proc/{threading.get_native_id()}/comm").read_text() == "worker: 1\n"
        names.append(process_of(threading.get_native_id()).name)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert names == [own] == [process_of(os.getpid()).name]


def test_a_process_may_have_any_name(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 survive; a newline, which a source cannot have, becomes a space."""
    program = tmp_path / os.fsdecode(b"a\\b\n\xff )")
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        try:
            # The kernel closes the pipe that Popen waits for a moment before it names the process.
            eventually(lambda: process_of(process.pid).name == "a\\b \udcff )")
        finally:
            process.kill()


def test_a_process_that_has_ended_is_unknown() -> None:
    """And so is one of another process namespace."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert process_of(process.pid).name == "unknown"
    assert process_of(0).name == "unknown"


def test_the_name_of_a_process_is_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a thread that is not its process's first costs more."""
    paths: list[str] = []
    read = processes._read

    def count(path: str, size: int) -> bytes:
        paths.append(path)
        return read(path, size)

    monkeypatch.setattr(processes, "_read", count)
    process_of(os.getpid())
    assert paths == [f"/proc/{os.getpid()}/comm"]
