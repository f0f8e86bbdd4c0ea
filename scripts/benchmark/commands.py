"""Commands, run with a time limit."""

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import IO

__all__ = ["WAIT_SECONDS", "printed", "run", "started", "wait_for"]

WAIT_SECONDS = 1800.0
"""A command that takes longer is taken to hang, and is killed."""


@contextlib.contextmanager
def started(
    command: list[str], stdout: IO[bytes] | int | None = None, stderr: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* in the background, and kill its process group at the end if it still runs."""
    with subprocess.Popen(command, stdout=stdout, stderr=stderr, process_group=0) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(process: subprocess.Popen[bytes], seconds: float = WAIT_SECONDS) -> int:
    """Wait at most *seconds* for *process* to end, and return its exit status.

    Returns at the moment it ends: ``Popen.wait``, when it is given a deadline, polls, at intervals of up to
    50 ms, and that would be measured.

    Raises:
        TimeoutExpired: if it does not end.
    """
    ending = os.pidfd_open(process.pid)
    try:
        has_ended, _, _ = select.select([ending], [], [], seconds)
    finally:
        os.close(ending)
    if not has_ended:
        raise subprocess.TimeoutExpired(process.args, seconds)
    return process.wait()


def run(
    command: list[str],
    stdout: IO[bytes] | int | None = None,
    stderr: int | None = None,
    seconds: float = WAIT_SECONDS,
) -> float:
    """Run *command* to its end, and return the seconds it took.

    Raises:
        TimeoutExpired: if it does not end.
        CalledProcessError: if it fails.
    """
    began = time.perf_counter()
    with started(command, stdout, stderr) as process:
        status = wait_for(process, seconds)
        taken = time.perf_counter() - began
    if status:
        raise subprocess.CalledProcessError(status, command)
    return taken


def printed(command: list[str]) -> str:
    """Run *command* to its end, and return its output."""
    with tempfile.TemporaryFile() as output:
        run(command, output)
        output.seek(0)
        return output.read().decode()
