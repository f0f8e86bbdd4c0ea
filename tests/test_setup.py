"""Set-up while another is going on: of another program that has apt's lock, a real apt with its files in a directory of the test; and of itself."""

import contextlib
import fcntl
import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "scripts" / "setup"
NEEDED = (
    "apt-cache", "apt-get", "basename", "bash", "cat", "dirname", "env", "flock", "fusermount3", "grep", "id", "ldconfig", "python3", "sleep",
)  # fmt: skip
"""The programs on the PATH; others are missing, and would be installed."""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a system without packages, with an apt that knows of none."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert found is not None, name
        (programs / name).symlink_to(found)
    (programs / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (programs / "sudo").chmod(0o755)
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "state" / "status").touch()
    (tmp_path / "apt.conf").write_text(
        f"""\
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "/dev/null";
Dir::State "{tmp_path}/state";
Dir::State::status "{tmp_path}/state/status";
Dir::State::Lists "{tmp_path}/lists";
Dir::Cache "{tmp_path}/cache";
APT::Sandbox::User "{getpass.getuser()}";
"""
    )
    yield {"PATH": str(programs), "APT_CONFIG": str(tmp_path / "apt.conf")}
    assert (tmp_path / "state" / "status").read_bytes() == b""


def test_it_waits_for_the_lock_of_another_program(bare: dict[str, str], tmp_path: Path) -> None:
    """It says so once, and what for, and goes on when the lock is free: to the error that there is no such package."""
    with open(tmp_path / "lists" / "lock", "wb") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        setup = subprocess.Popen(
            ["bash", SETUP, "dev"],
            env=bare,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert setup.stdout is not None
        assert setup.stdout.readline().startswith("Installing ")
        waiting = setup.stdout.readline()
    output, errors = setup.communicate(timeout=60)
    assert waiting.startswith(
        f"Waiting for apt: {tmp_path}/lists/lock. It is held by process {os.getpid()} ("
    )
    assert output == ""
    assert "Unable to locate package" in errors
    assert setup.returncode == 1


def test_it_waits_for_another_set_up(tmp_path: Path) -> None:
    """It says so, and then finds everything done: a venv that another makes is not made again."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SETUP, tmp_path / "scripts")
    shutil.copy(SETUP.parents[1] / "pyproject.toml", tmp_path)
    with open_directory(tmp_path) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        setup = subprocess.Popen(
            [tmp_path / "scripts" / "setup"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert setup.stdout is not None
        assert setup.stdout.readline() == f"Waiting for another {tmp_path}/scripts/setup\n"
        (tmp_path / ".venv").mkdir()
        (tmp_path / ".venv/installed").write_text(
            f"{tmp_path}\n{(tmp_path / 'pyproject.toml').read_text()}extras: \n"
        )
    output, errors = setup.communicate(timeout=60)
    assert (setup.returncode, output, errors) == (0, "", "")
    assert [path.name for path in (tmp_path / ".venv").iterdir()] == ["installed"]


@contextlib.contextmanager
def open_directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
