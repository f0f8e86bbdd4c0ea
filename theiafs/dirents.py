"""Directory entries as libfuse takes them: names with types, and on libfuse 3 with attributes where the kernel asks for them."""

import ctypes
import functools
import itertools
from collections.abc import Iterable, Sequence
from itertools import repeat
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from theiafs.inodes import inodes_in
from theiafs.nodes import Entries
from theiafs.operations import Operations
from theiafs.stats import BLOCK_SIZE, Stats, blocks_of

__all__ = ["Dirents"]

_NAMES_AT_ONCE = 512
_FIRST_NAMES, _MORE_NAMES = 64, 32
"""How many names are given first, where it is not known for how many the kernel has room, and then as long as it has more."""

# As in libfuse's fuse.h: the kernel asks for attributes; an entry has them.
_READDIR_PLUS = 1
_FILL_DIR_PLUS = 2

_NS_PER_S = 10**9


class _Batch(NamedTuple):
    """Entries as libfuse takes them.

    Attributes:
        names: their names.
        stats: the structures of their attributes.
        flags: of each, whether these are complete.
    """

    names: list[bytes]
    stats: NDArray[np.void]
    flags: list[int]

    @property
    def addresses(self) -> Iterable[int]:
        """The addresses of the structures."""
        first, size = self.stats.ctypes.data, self.stats.itemsize
        return range(first, first + self.stats.nbytes, size)


class Dirents:
    """Gives libfuse the entries of directories.

    Args:
        binding: the binding.
        operations: the operations of the mount.
    """

    def __init__(self, binding: ModuleType, operations: Operations) -> None:
        self._operations = operations
        self._type = _stats_type(binding)
        # By the number of an open directory, its entries: they keep their places until it is read from the beginning again.
        self._open: dict[int, tuple[Entries, ...]] = {}
        self._numbers = itertools.count(1)
        # For how many the kernel had room last, with attributes and without.
        self._room = {False: _FIRST_NAMES, True: _FIRST_NAMES}

    def open(self) -> int:
        """Open a directory, and return its number. Only libfuse 3 needs that."""
        number = next(self._numbers)
        self._open[number] = ()
        return number

    def close(self, number: int) -> None:
        """Close the directory *number*."""
        del self._open[number]

    def list(self, path: str, buffer: Any, fill: Any) -> None:
        """Give libfuse 2 all entries of the directory at *path* by its function *fill*; it buffers the whole listing."""
        function = _function(fill, 0)
        stats = np.zeros(_NAMES_AT_ONCE, self._type)
        addresses = range(stats.ctypes.data, stats.ctypes.data + stats.nbytes, stats.itemsize)
        for names, mode in self._operations.readdir(path):
            stats["mode"] = mode
            for start in range(0, len(names), _NAMES_AT_ONCE):
                some = list(map(str.encode, names[start : start + _NAMES_AT_ONCE]))
                stats["inode"][: len(some)] = inodes_in(path, some)
                if any(map(function, repeat(buffer), some, addresses, repeat(0))):
                    return

    def list_from(
        self, place: int, path: str, number: int, buffer: Any, fill: Any, flags: int
    ) -> None:
        """Give libfuse 3 as many entries of the directory *number*, at *path*, from *place* on as the kernel has room for.

        The kernel asks for attributes at the beginning, and as long as a program uses them. They are found out when it asks, and
        not before: it keeps them for a second.
        """
        wants_stats = bool(flags & _READDIR_PLUS)
        if place == 0 or not self._open[number]:
            self._open[number] = tuple(self._operations.readdir(path))
        listed, function = self._open[number], _function(fill, 1)
        start, length = place, max(self._room[wants_stats], 1)
        while batch := self._batch(path, listed, place, length, wants_stats):
            if place != start:
                # If there is no room for it, libfuse would never forget an entry with attributes.
                batch.flags[0] = 0
            offsets = itertools.count(place + 1)  # of the next entry each
            columns = batch.names, batch.addresses, offsets, batch.flags
            if any(map(function, repeat(buffer), *columns)):
                # The last one that was tried did not fit.
                self._room[wants_stats] = next(offsets) - 2 - start
                return
            place += len(batch.names)
            length = _MORE_NAMES

    def _batch(
        self, path: str, listed: Sequence[Entries], place: int, length: int, has_stats: bool
    ) -> _Batch | None:
        """Return at most *length* entries of one type from *place* on; None if there are none."""
        first = place
        for entries in listed:
            count = len(entries.names)
            if first >= count:
                first -= count
                continue
            last = min(first + length, count)
            found = self._operations.listed_stats(path, entries, first, last) if has_stats else None
            names = list(map(str.encode, entries.names[first:last]))
            stats = np.zeros(len(names), self._type)
            stats["inode"] = inodes_in(path, names)
            stats["mode"] = entries.mode
            flags = [0] * len(names)
            if found is not None:
                _set(stats, found)
                flags = np.where(found.are_known, _FILL_DIR_PLUS, 0).tolist()
            return _Batch(names, stats, flags)
        return None


def _set(stats: NDArray[np.void], found: Stats) -> None:
    """Set all but the inode numbers of *stats* to what was *found*."""
    stats["mode"] = found.mode
    stats["links"] = 1
    stats["uid"], stats["gid"] = found.owner
    stats["size"] = found.sizes
    stats["blocks"] = blocks_of(found.sizes)
    stats["block_size"] = BLOCK_SIZE
    newest, changed = (np.divmod(each, _NS_PER_S) for each in (found.newest_ns, found.changed_ns))
    for name, (seconds, nanoseconds) in [
        ("read", newest),
        ("modified", newest),
        ("changed", changed),
    ]:
        stats[f"{name}_s"], stats[f"{name}_ns"] = seconds, nanoseconds


def _stats_type(binding: ModuleType) -> np.dtype[np.void]:
    """Return the structure of attributes of *binding*, its stat, as a structure of numpy."""
    stat, time = binding.c_stat, binding.c_timespec
    fields = {
        "inode": stat.st_ino,
        "mode": stat.st_mode,
        "links": stat.st_nlink,
        "uid": stat.st_uid,
        "gid": stat.st_gid,
        "size": stat.st_size,
        "blocks": stat.st_blocks,
        "block_size": stat.st_blksize,
    }
    places = {name: (field.offset, field.size) for name, field in fields.items()}
    times = {"read": stat.st_atimespec, "modified": stat.st_mtimespec, "changed": stat.st_ctimespec}
    for name, field in times.items():
        for unit, part in {"s": time.tv_sec, "ns": time.tv_nsec}.items():
            places[f"{name}_{unit}"] = field.offset + part.offset, part.size
    return np.dtype(
        {
            "names": list(places),
            "formats": [f"u{size}" for _, size in places.values()],
            "offsets": [offset for offset, _ in places.values()],
            "itemsize": ctypes.sizeof(stat),
        }
    )


def _function(fill: Any, flags: int) -> Any:
    """Return libfuse's function *fill*, which takes this number of *flags*; it keeps the GIL, which is faster."""
    return _function_type(flags)(ctypes.cast(fill, ctypes.c_void_p).value)


@functools.cache
def _function_type(flags: int) -> Any:
    arguments = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64)
    return ctypes.PYFUNCTYPE(ctypes.c_int, *arguments, *[ctypes.c_int] * flags)
