"""A new run of the tests removes the mounts that killed runs left, also where several begin at the same time."""

import getpass
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import ENVIRONMENT, Mount, is_mounted
from tests.waiting import eventually
from theiafs.unmounting import is_stale

RUN = (sys.executable, "-c", "import conftest; conftest.pytest_configure()")


@pytest.fixture
def left(make_mount: Callable[..., Mount], tmp_path: Path) -> Path:
    """Return the dead mount of a run of the tests that has its directories below the test's."""
    directory = f"pytest-of-{getpass.getuser()}/pytest-0"
    (tmp_path / directory).mkdir(parents=True)
    mount = make_mount(name=f"{directory}/a")
    os.kill(mount.process_id, signal.SIGKILL)
    eventually(lambda: is_stale(str(mount.path)))
    return mount.path


@pytest.mark.parametrize(
    ("before", "is_removed"), [("", True), ("umount $2", True), ("exit 1", False)]
)
def test_only_a_mount_that_stays_is_an_error(
    left: Path, tmp_path: Path, before: str, is_removed: bool
) -> None:
    """Not one that another run unmounts first."""
    done = run_with_umount(tmp_path, before)
    assert done.returncode == (0 if is_removed else 1)
    assert ("CalledProcessError" in done.stderr) is not is_removed
    assert is_mounted(left) is not is_removed


def test_a_run_that_goes_on_keeps_its_mounts(left: Path, tmp_path: Path) -> None:
    """Its lock says so."""
    (left.parents[1] / ".lock").write_text(str(os.getpid()))
    assert run_with_umount(tmp_path, "").returncode == 0
    assert is_mounted(left)


def run_with_umount(tmp_path: Path, before: str) -> subprocess.CompletedProcess[str]:
    """Begin a run of the tests with an umount that first does what *before* says in sh."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "umount").write_text(
        f'#!/bin/sh\nPATH=${{PATH#*:}}\n{before or ":"}\nexec umount "$@"\n'
    )
    (programs / "umount").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        RUN,
        cwd=Path(__file__).parents[2],
        env={**ENVIRONMENT, "PATH": path, "PYTEST_DEBUG_TEMPROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
