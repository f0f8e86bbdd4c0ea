"""Pages: arrays that the kernel keeps in a file, and in memory as far as they are used."""

import logging
import mmap
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.errors import EventWriteException

__all__ = ["Pages"]

_SIZE_MIN = 64 << 10
"""Smaller arrays, in bytes, are in memory: a file for each would cost more than it saves."""

log = logging.getLogger(__name__)


class Pages:
    """Arrays in files of *directory* on *disk* that have no names. One thread at a time may use it."""

    def __init__(self, disk: Disk, directory: str) -> None:
        self._disk = disk
        self._directory = directory
        self._maps: list[weakref.ref[mmap.mmap]] = []

    @property
    def size(self) -> int:
        """The size of all arrays in files, in bytes."""
        return sum(map(len, self._open_maps()))

    def zeros(self, length: int, kind: Any) -> NDArray[Any]:
        """Make an array of zeros of a *length* and *kind*, a type of numpy: in a file, or in memory where that is impossible."""
        kind = np.dtype(kind)
        size = length * kind.itemsize
        if size < _SIZE_MIN:
            return np.zeros(length, kind)
        try:
            mapped = self._disk.map_unnamed(self._directory, size)
        except EventWriteException as error:
            log.warning("%d MiB more in memory than the budget: %s", size >> 20, error)
            return np.zeros(length, kind)
        self._maps.append(weakref.ref(mapped))
        return np.frombuffer(mapped, kind)

    def release(self) -> None:
        """Give the memory of the arrays back; what is read or written next comes from the kernel's cache, or the file."""
        for each in self._open_maps():
            each.madvise(mmap.MADV_DONTNEED)

    def _open_maps(self) -> list[mmap.mmap]:
        maps = [mapped for mapped in (each() for each in self._maps) if mapped is not None]
        self._maps = list(map(weakref.ref, maps))
        return maps
