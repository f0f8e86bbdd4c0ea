"""Counting what something costs: operations of the disk, calls, and memory. No test measures time.

A measure does something in a setting of a size n and returns its :class:`Cost`; it is taken for n and 2n, and the two
costs say how it grows (:func:`assert_constant`, :func:`assert_linear`).
"""

import functools
import gc
import os
import stat
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from store.disk import vectored
from tests import debug_locks

__all__ = [
    "Cost",
    "NewDirectory",
    "assert_constant",
    "assert_linear",
    "calls",
    "cost_of",
    "disk_operations",
    "memory",
    "only",
]

CONSTANT_MAX = 1.1
LINEAR_MAX = 2.5

Cost = Counter[str]
"""How much of each kind, by name."""

NewDirectory = Callable[[], Path]
"""Makes a directory of its own for each size; the fixture ``new_directory`` is one."""

_KINDS = {
    "open": "open", "stat": "stat", "lstat": "stat", "fstat": "stat", "pread": "read", "preadv": "read",
    "copy_file_range": "copy", "sendfile": "copy", "write": "write", "writev": "write", "pwrite": "write",
    "rename": "rename", "replace": "rename", "link": "rename", "unlink": "unlink", "mkdir": "mkdir",
    "fsync": "fsync", "fdatasync": "fsync", "scandir": "list", "listdir": "list",
}  # fmt: skip
"""By the name of a function of ``os``, the kind of what it does to the disk."""

_HAVE_SIZES = frozenset({"read", "copy", "write"})

_fstat = os.fstat


@contextmanager
def disk_operations() -> Iterator[Cost]:
    """Count what all threads do to the disk meanwhile, by kind; what SQLite does by itself is not seen.

    ``read bytes``, ``copy bytes`` and ``write bytes`` are the sizes; ``listed`` is the number of names in all lists;
    ``fsync`` is of files and ``fsync directory`` of directories. A kind with ``, short lock`` after it is what of that
    was done while a lock was held for which writers wait.
    """
    cost: Cost = Counter()
    lock = threading.Lock()

    def count(kind: str, number: int = 1) -> None:
        with lock:
            cost[kind] += number
            if debug_locks.held_short_locks():
                cost[f"{kind}, short lock"] += number

    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, kind in _KINDS.items():
            monkeypatch.setattr(os, name, _counted(getattr(os, name), kind, count))
        monkeypatch.setattr(vectored, "preadv", _counted(vectored.preadv, "read", count))
        yield cost


def _counted(
    function: Callable[..., Any], kind: str, count: Callable[..., None]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        if kind == "fsync" and stat.S_ISDIR(_fstat(args[0]).st_mode):
            count("fsync directory")
        else:
            count(kind)
        found = function(*args, **kwargs)
        if kind in _HAVE_SIZES:
            count(f"{kind} bytes", len(found) if isinstance(found, bytes) else found)
        elif function.__name__ == "scandir":
            return _Listing(found, count)
        elif kind == "list":
            count("listed", len(found))
        return found

    return counted


class _Listing:
    """The iterator that ``os.scandir`` returns, counted."""

    def __init__(self, entries: Any, count: Callable[..., None]) -> None:
        self._entries = entries
        self._count = count

    def __iter__(self) -> Iterator["os.DirEntry[str]"]:
        for entry in self._entries:
            self._count("listed")
            yield entry

    def __enter__(self) -> "_Listing":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries.close()


def calls(function: Callable[[], object]) -> int:
    """Return how many functions *function* calls in its thread, those in C included."""
    count = 0

    def on_event(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    # What garbage there was before costs nothing now.
    gc.collect()
    gc.disable()
    sys.setprofile(on_event)
    try:
        function()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def cost_of(function: Callable[[], object]) -> Cost:
    """Return what *function* does to the disk, and its calls."""
    with disk_operations() as cost:
        number = calls(function)
    # Counting calls functions as well.
    cost["calls"] = number
    return cost


def memory(function: Callable[[], object]) -> tuple[int, int]:
    """Return how many bytes *function* has at most, and how many it leaves, arrays of numpy included.

    What it returns is kept until they are counted.
    """
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        result = function()
        _, most = tracemalloc.get_traced_memory()
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        del result
    finally:
        tracemalloc.stop()
    return most - before, kept - before


def only(cost: Cost, *kinds: str) -> Cost:
    """Return what is in *cost* of *kinds*."""
    return Counter({kind: cost[kind] for kind in kinds})


def assert_constant(measure: Callable[[int], Cost], n: int) -> None:
    """Assert that *measure* costs no more for twice *n* than for *n*."""
    _assert_grows(measure, n, CONSTANT_MAX)


def assert_linear(measure: Callable[[int], Cost], n: int) -> None:
    """Assert that *measure* costs about twice as much for twice *n* as for *n*, at most."""
    _assert_grows(measure, n, LINEAR_MAX)


def _assert_grows(measure: Callable[[int], Cost], n: int, most: float) -> None:
    small, large = measure(n), measure(2 * n)
    grown = {kind: (small[kind], large[kind]) for kind in large if large[kind] > most * small[kind]}
    assert not grown, f"for {n} and {2 * n}: {grown}"
