"""getdents64(2), of which Python makes an object for each entry: the entries of a directory in columns.

A directory of half a million files takes a third of the time, and most of that is the kernel's, during which other threads run.
The layout of an entry is that of ``struct linux_dirent64``.
"""

import ctypes
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DT_REG", "DT_UNKNOWN", "Dirents", "read_dirents"]

DT_REG, DT_UNKNOWN = 8, 0

_BUFFER_SIZE = 1 << 18
_SIZE_OFFSET, _TYPE_OFFSET, _NAME_OFFSET = 16, 18, 19
_ALIGNMENT = 8
_OTHER = stat.S_IFDIR >> 12

_Buffer = ctypes.c_char * _BUFFER_SIZE
_getdents64 = getattr(ctypes.CDLL(None, use_errno=True), "getdents64", None)


class Dirents(NamedTuple):
    """Some entries of a directory.

    Attributes:
        names: their names, as the file system has them.
        inodes: their inode numbers.
        types: of each, the type of file, ``DT_REG`` for a regular one; ``DT_UNKNOWN`` if the file system does not say.
    """

    names: NDArray[np.bytes_]
    inodes: NDArray[np.uint64]
    types: NDArray[np.uint8]


def read_dirents(directory: str) -> Iterator[Dirents]:
    """Read the entries of *directory*, in no order.

    Raises:
        OSError: the system's error.
    """
    if _getdents64 is None:
        yield _scan(directory)
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while True:
            # Of zeros, for the kernel leaves what is between entries as it is.
            buffer = bytearray(_BUFFER_SIZE)
            size = _getdents64(descriptor, _Buffer.from_buffer(buffer), _BUFFER_SIZE)
            if size == 0:
                return
            if size < 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), directory)
            yield from _decode(np.frombuffer(buffer, np.uint8, size))
    finally:
        os.close(descriptor)


def _scan(directory: str) -> Dirents:
    """Read the entries of *directory* without the call, which the C libraries of some systems still lack."""
    with os.scandir(directory) as entries:
        found = [
            (os.fsencode(each.name), each.inode(), each.is_file(follow_symlinks=False))
            for each in entries
        ]
    names, inodes, are_files = zip(*found, strict=True) if found else ((), (), ())
    types = np.where(np.array(are_files, np.bool_), DT_REG, _OTHER).astype(np.uint8)
    return Dirents(np.array(names, np.bytes_), np.array(inodes, np.uint64), types)


def _decode(data: NDArray[np.uint8]) -> Iterator[Dirents]:
    """Yield the entries that *data* consists of, those of one size together."""
    words = data.view(np.uint16)
    found = _find_sizes(words)
    sizes = words[found]
    for size in np.unique(sizes).tolist():
        starts = 2 * found[sizes == size] - _SIZE_OFFSET
        # A view of the bytes from each offset on.
        entries = np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))[starts]
        rows = entries.view(np.uint8).reshape(-1, size)
        names = np.ascontiguousarray(rows[:, _NAME_OFFSET:]).view(f"S{size - _NAME_OFFSET}")[:, 0]
        yield Dirents(names, data.view(np.uint64)[starts // _ALIGNMENT], rows[:, _TYPE_OFFSET])


def _find_sizes(words: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the places in *words*, the data of entries, that have the size of an entry, in bytes."""
    place = _SIZE_OFFSET // 2
    # Minute files have names of one length, usually.
    places = np.arange(place, len(words), int(words[place]) // 2)
    if (words[places] == words[place]).all():
        return places
    found, sizes = [], words.data
    while place < len(sizes):
        found.append(place)
        place += sizes[place] // 2
    return np.array(found, np.int64)
