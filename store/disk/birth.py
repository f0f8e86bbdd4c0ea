"""statx(2), which Python does not offer: when a file was created, which no program can set."""

import ctypes
import os
import struct

__all__ = ["birth_ns"]

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_SIZE = 256
_MASK = struct.Struct("=I")
_BIRTH, _BIRTH_OFFSET = struct.Struct("=qI"), 80

_statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)


def birth_ns(descriptor: int) -> int:
    """Return when the file of *descriptor* was created, in nanoseconds since the epoch; 0 where the system does not know.

    Raises:
        OSError: the system's error.
    """
    if _statx is None:
        return 0
    found = ctypes.create_string_buffer(_SIZE)
    if _statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, found) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    [mask] = _MASK.unpack_from(found)
    if not mask & _STATX_BTIME:
        return 0
    seconds, nanoseconds = _BIRTH.unpack_from(found, _BIRTH_OFFSET)
    return int(seconds) * 10**9 + int(nanoseconds)
