"""Locks that check how they are used; in tests they take the place of those of the store.

A thread may take them only in the order of ``store.locks.ORDER``, and none twice. While it holds one of
``store.locks.SHORT``, for which writers wait, it may not fsync, read a file, list a directory, or wait for a lock under
which others do so.
"""

import functools
import inspect
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import pytest

from store import locks
from store.disk import vectored

__all__ = ["DebugLock", "Violations", "held_short_locks", "installed"]

SLOW_CALLS = ("fsync", "fdatasync", "pread", "preadv", "scandir", "listdir", "copy_file_range")
"""The functions of the module ``os`` that no thread may call under a short lock."""

_FRAMES = 12
"""Frames of the stack that a violation names: as far as from the test to the lock."""


class _Held(threading.local):
    """The locks that the thread holds, in the order in which it took them."""

    def __init__(self) -> None:
        self.locks: list[DebugLock] = []


_held = _Held()
_places = {name: place for place, name in enumerate(locks.ORDER)}


class Violations:
    """Forbidden things that were done under locks. Any number of threads may add to them."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def note(self, what: str) -> None:
        """Remember that the calling thread did *what*, once for each place."""
        stack = traceback.extract_stack(limit=_FRAMES + 2)[:-2]
        place = "".join(f"\n    {each.filename}:{each.lineno} in {each.name}" for each in stack)
        self._found.setdefault(what + place, what)

    def take(self) -> list[str]:
        """Return all that was noted, with where it was done, and forget it."""
        found, self._found = self._found, {}
        return list(found)


class DebugLock:
    """A lock of the store.

    Args:
        name: its name, one of ``ORDER``.
        violations: is told of what is wrong.
    """

    def __init__(self, name: str, violations: Violations) -> None:
        assert name in locks.ORDER, f"{name} is not in the order of locks"
        self.name = name
        self.place = _places[name]
        self.is_short = name in locks.SHORT
        self._violations = violations
        self._lock = threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        held = _held.locks
        if blocking and held:
            self._check(held)
        if not self._lock.acquire(blocking, timeout):
            return False
        held.append(self)
        return True

    def release(self) -> None:
        _held.locks.remove(self)
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    __enter__ = acquire

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _check(self, held: list["DebugLock"]) -> None:
        # The thread would wait for itself for ever.
        assert self not in held, f"the lock {self.name} is taken twice by one thread"
        for each in held:
            if each.place >= self.place:
                self._violations.note(f"the lock {self.name} is taken under {each.name}")
            elif each.is_short and not self.is_short:
                self._violations.note(f"{each.name} waits for {self.name}, which may be held long")


def held_short_locks() -> list[str]:
    """Return the names of the short locks that the calling thread holds."""
    return [each.name for each in _held.locks if each.is_short]


@contextmanager
def installed() -> Iterator[Violations]:
    """Let all locks that the store makes meanwhile be of this kind."""
    violations = Violations()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(locks, "_factory", lambda name: DebugLock(name, violations))
        for module, name in [*((os, each) for each in SLOW_CALLS), (vectored, "preadv")]:
            # Installed within another one, only the inner one notes.
            function = inspect.unwrap(getattr(module, name))
            monkeypatch.setattr(module, name, _watched(name, function, violations))
        yield violations


def _watched(name: str, function: Callable[..., Any], violations: Violations) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        short = held_short_locks()
        if short:
            violations.note(f"{name} under the lock {', '.join(short)}")
        return function(*args, **kwargs)

    return watched
