"""Posting lists: of each row of something, the set of ids that belong to it. The only module that knows pyroaring.

Most rows of a store with many have a single id, which lies in a column; the others have bitmaps.
"""

from array import array

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from store.columns import ShortIntegers, Zeros

__all__ = ["Postings"]

_NONE, _SEVERAL = -1, -2
"""No id, and several, in place of the single one."""

_BITMAP_SIZE = 300
"""The memory of a bitmap and its place in a dict, besides its ids, in bytes, about."""

_FEW = 8
"""Up to this number of ids, one by one is cheaper than all at once."""


class Postings:
    """A set of ids, from 0 to below 2**31, for each of many rows.

    Not safe for several threads: callers hold the store's state lock.
    """

    def __init__(self) -> None:
        self._single = ShortIntegers()
        self._several: dict[int, BitMap] = {}
        # All ids in bitmaps, and the first after the largest that ever was.
        self._several_count = 0
        self._ids_end = 0

    def __len__(self) -> int:
        return len(self._single)

    @property
    def size(self) -> int:
        """The memory of all lists, in bytes: at most, if bitmaps are all about as long."""
        bitmaps = len(self._several)
        if not bitmaps:
            return self._single.size
        # Each takes two bytes an id, or a bit for each id there may be if that is less.
        length = min(2 * self._several_count // bitmaps, self._ids_end // 8)
        return self._single.size + bitmaps * (_BITMAP_SIZE + length)

    def page(self, zeros: Zeros) -> None:
        """Move the ids of rows with a single one as :meth:`store.columns.Column.page` does; bitmaps stay where they are."""
        self._single.page(zeros)

    def resize(self, count: int) -> None:
        """Make *count* rows of it, at least as many as before; new ones have no ids."""
        self._single.resize(count, _NONE)

    # Asking

    def of(self, row: int) -> NDArray[np.int64]:
        """Return the ids of *row*, in ascending order."""
        single = self._single[row]
        if single == _SEVERAL:
            return np.array(self._several[row].to_array(), np.int64)
        return np.array([single] if single != _NONE else (), np.int64)

    def union(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the ids of all *rows* together, in ascending order."""
        single = self._single.take(rows)
        bitmaps = [self._several[row] for row in rows[single == _SEVERAL].tolist()]
        found = BitMap.union(*bitmaps) if bitmaps else BitMap()
        found |= BitMap(np.unique(single[single >= 0]).astype(np.uint32))
        return np.array(found.to_array(), np.int64)

    def export(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Return the number of ids of each row, and all ids, those of one row after those of another."""
        single = self._single.slice(0, len(self))
        lengths = (single >= 0).astype(np.int64)
        for row, bitmap in self._several.items():
            lengths[row] = len(bitmap)
        starts = lengths.cumsum() - lengths
        ids = np.empty(int(lengths.sum()), np.uint32)
        has_one = single >= 0
        ids[starts[has_one]] = single[has_one]
        for row, bitmap in self._several.items():
            ids[int(starts[row]) : int(starts[row] + lengths[row])] = bitmap.to_array()
        return lengths, ids

    def empty(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of *rows* that have no ids."""
        empty: NDArray[np.int64] = rows[self._single.take(rows) == _NONE]
        return empty

    # Changing

    def add(self, row: int, number: int) -> None:
        """Add the id *number* to *row*."""
        single = self._single[row]
        if single == number:
            return
        self._ids_end = max(self._ids_end, number + 1)
        if single == _NONE:
            self._single[row] = number
        elif single != _SEVERAL:
            self._set_several(row, BitMap((single, number)))
        elif number not in self._several[row]:
            self._several[row].add(number)
            self._several_count += 1

    def add_all(self, rows: NDArray[np.integer], ids: NDArray[np.integer]) -> None:
        """Add to each of *rows*, which may repeat, the one of *ids* at the same place."""
        if len(rows) <= _FEW:
            for row, number in zip(rows.tolist(), ids.tolist(), strict=True):
                self.add(row, number)
            return
        order = np.lexsort((ids, rows))
        rows, ids = rows[order], ids[order]
        is_new = np.ones(len(rows), np.bool_)
        is_new[1:] = (rows[1:] != rows[:-1]) | (ids[1:] != ids[:-1])
        rows, ids = rows[is_new], ids[is_new]
        self._ids_end = max(self._ids_end, int(ids.max(initial=0)) + 1)
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        lengths = np.diff(starts, append=len(rows))
        before = self._single.take(rows[starts])
        becomes_single = (lengths == 1) & ((before == _NONE) | (before == ids[starts]))
        self._single.put(rows[starts[becomes_single]], ids[starts[becomes_single]])
        others = starts[~becomes_single]
        self._add_several(rows[others], others, lengths[~becomes_single], ids)

    def _add_several(
        self,
        rows: NDArray[np.integer],
        starts: NDArray[np.integer],
        lengths: NDArray[np.integer],
        ids: NDArray[np.integer],
    ) -> None:
        """Add to each of *rows* those of *ids* at its place in *starts*, of its length in *lengths*."""
        numbers = array(
            "I", ids.astype(np.uint32).tobytes()
        )  # from which bitmaps come in half of the time
        ends = (starts + lengths).tolist()
        for row, first, last in zip(rows.tolist(), starts.tolist(), ends, strict=True):
            self._add_to(row, numbers[first:last])

    def _add_to(self, row: int, ids: "array[int]") -> None:
        single, several = self._single[row], self._several.get(row)
        if several is not None:
            self._several_count -= len(several)
            several.update(ids)
            self._several_count += len(several)
        else:
            several = BitMap(ids)
            if single != _NONE:
                several.add(single)
            if len(several) == 1:
                self._single[row] = several.min()
            else:
                self._set_several(row, several)

    def _set_several(self, row: int, several: BitMap) -> None:
        self._single[row] = _SEVERAL
        self._several[row] = several
        self._several_count += len(several)

    def remove_all(self, rows: NDArray[np.integer], ids: NDArray[np.integer]) -> None:
        """Remove from each of *rows* the one of *ids* at the same place, if it is there."""
        single = self._single.take(rows)
        self._single.put(rows[single == ids], _NONE)
        is_several = single == _SEVERAL
        for row, number in zip(rows[is_several].tolist(), ids[is_several].tolist(), strict=True):
            several = self._several.get(row)
            if several is None:  # it has become a single one meanwhile
                if self._single[row] == number:
                    self._single[row] = _NONE
                continue
            if number in several:
                several.discard(number)
                self._several_count -= 1
            if len(several) == 1:
                self._several_count -= 1
                self._single[row] = several.min()
                del self._several[row]

    def clear(self, rows: NDArray[np.integer]) -> None:
        """Remove all ids of *rows*."""
        for row in rows[self._single.take(rows) == _SEVERAL].tolist():
            self._several_count -= len(self._several.pop(row))
        self._single.put(rows, _NONE)

    def restore(self, lengths: NDArray[np.int64], ids: NDArray[np.uint32]) -> None:
        """Set the ids of all rows to *ids*, as :meth:`export` returns them; the *lengths* were checked."""
        self.clear(np.arange(len(self)))
        starts = lengths.cumsum() - lengths
        has_one = lengths == 1
        self._single.put(has_one.nonzero()[0], ids[starts[has_one]])
        self._ids_end = max(self._ids_end, int(ids.max(initial=0)) + 1)
        rows = (lengths > 1).nonzero()[0]
        self._add_several(rows, starts[rows], lengths[rows], ids)
