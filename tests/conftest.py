"""The locks of the store are checked in the whole suite (see :mod:`tests.debug_locks`), and no test has a deadline."""

import contextlib
import errno
import fcntl
import gc
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import debug_locks
from tests.counting import NewDirectory
from tests.renderings import in_columns

# While other programs run, an example may take any time.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

_GC_THRESHOLDS = (20_000, 50, 50)
"""With those of Python, collecting garbage takes a fifth of the time of tests that open thousands of stores."""


def pytest_collection_finish() -> None:
    """Keep the garbage collector from searching what stays to the end: modules, and tests by the thousand."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


@pytest.fixture(autouse=True, scope="session")
def lock_violations() -> Iterator[debug_locks.Violations]:
    with debug_locks.installed() as violations:
        yield violations


@pytest.fixture(autouse=True)
def _locks_are_used_well(lock_violations: debug_locks.Violations) -> Iterator[None]:
    """Check that locks were acquired in order, and that nothing slow was done under those for which writers wait."""
    yield
    found = lock_violations.take()
    assert not found, "\n".join(found)


@pytest.fixture
def unlockable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No directory can be locked, as on NFS."""
    flock = fcntl.flock

    def files_only(descriptor: int, operation: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EBADF, "not a directory")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", files_only)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files for old enough that a change of them would show: otherwise they are read once more."""
    monkeypatch.setattr("store.index.stamp._RECENT_NS", 0)


@pytest.fixture(scope="module", params=["few", "many"])
def few_or_many(request: pytest.FixtureRequest) -> Iterator[None]:
    """Render records as when they are few, one by one, or as when they are many, in columns."""
    with in_columns() if request.param == "many" else contextlib.nullcontext():
        yield


@pytest.fixture
def new_directory(tmp_path: Path) -> NewDirectory:
    """Return a function that makes an empty directory, another at each call."""
    numbers = itertools.count()

    def make() -> Path:
        made = tmp_path / str(next(numbers))
        made.mkdir()
        return made

    return make
