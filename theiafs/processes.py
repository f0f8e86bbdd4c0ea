"""The processes that make requests."""

import ctypes
import errno
import os
import re
from typing import NamedTuple

__all__ = ["Process", "process_group_of", "process_of"]

_NAME_SIZE_MAX = 64
"""Maximum size of a name of a kernel thread, newline included, in bytes; names of programs have at most 16."""
_STATUS_SIZE = 256
"""Number of bytes read of a status: Tgid is one of its first lines."""
_UNKNOWN = "unknown"
_PROCESS = re.compile(rb"^Tgid:\t(\d+)$", re.M)
_SIGNAL_NONE = 0
_tgkill = getattr(ctypes.CDLL(None, use_errno=True), "tgkill", None)


class Process(NamedTuple):
    """A process: its *id*, and the *name* of the command that it runs."""

    id: int
    name: str


def process_of(thread_id: int) -> Process:
    """Return the process of *thread_id*; its name is "unknown" if it cannot be found out."""
    process_id = thread_id
    try:
        process_id = _process_id(thread_id)
        name = _read(f"/proc/{process_id}/comm", _NAME_SIZE_MAX)
    except OSError:  # it has ended, or lives in another process namespace
        return Process(process_id, _UNKNOWN)
    shown = name.removesuffix(b"\n").replace(b"\n", b" ").decode("utf-8", "surrogateescape")
    return Process(process_id, shown)


def process_group_of(thread_id: int) -> int:
    """Return the process group of *thread_id*, all commands of a pipeline; its own number if it cannot be found out."""
    try:
        return os.getpgid(thread_id)
    except OSError:  # it has ended, or lives in another process namespace
        return thread_id


def _process_id(thread_id: int) -> int:
    """Return the process of *thread_id*, which is almost always the thread's own number."""
    # Reading a status takes 13 us more than this, at every write.
    if _tgkill is not None and (
        _tgkill(thread_id, thread_id, _SIGNAL_NONE) == 0 or ctypes.get_errno() == errno.EPERM
    ):
        return thread_id
    found = _PROCESS.search(_read(f"/proc/{thread_id}/status", _STATUS_SIZE))
    return int(found[1]) if found else thread_id


def _read(path: str, size: int) -> bytes:
    # By system calls: a file object would cost as much again.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)
