"""Key tables: distinct byte strings and their ids, packed, because there may be millions.

The keys lie one after the other in one buffer. They are found through an open-addressing hash table of ids. Many keys are
looked up and added at once, in numpy; a few that were asked for last are also in a dict, for single events.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.columns import Bytes, NarrowColumn, Zeros

__all__ = ["ABSENT", "Assigned", "KeyTable"]

ABSENT = -1
"""The id of no key."""

_EMPTY, _DELETED = -1, -2
"""Slots without an id: a search ends at the first, and passes the second."""

_SLOTS_MIN = 16

_FEW = 32
"""Up to this number of keys, one by one is cheaper than all at once."""

_RECENT_SIZE = 256 << 10
"""The memory of the dict of the keys asked for last, in bytes, if nothing else is said."""

_RECENT_ENTRY_SIZE = 120
"""The memory of one of them besides its bytes, about."""

_DEAD_MIN = 4096
"""The buffer is not compacted for fewer bytes of removed keys than this."""


class Assigned(NamedTuple):
    """The ids of some keys, and those among them that were added, with their ids."""

    ids: NDArray[np.int64]
    new: list[bytes]
    new_ids: NDArray[np.int64]


class KeyTable:
    """Distinct byte strings and their ids, from 0 on; the id of a removed key goes to a key that is added later.

    Not safe for several threads: callers hold the store's state lock.

    Args:
        hashed: hashes a key.
        recent_size_max: maximum memory of the dict of the keys asked for last, in bytes; when it would be more, it is
            emptied.

    Attributes:
        recent_size_max: that maximum.
    """

    def __init__(
        self, hashed: Callable[[bytes], int] = hash, recent_size_max: int = _RECENT_SIZE
    ) -> None:
        self._hashed = hashed
        self.recent_size_max = recent_size_max
        self._data = Bytes()
        # By id; those of removed keys are 0.
        self._starts, self._sizes, self._hashes = NarrowColumn(), NarrowColumn(), NarrowColumn()
        # A power of two of them. The n-th step of a search goes n slots further, so it comes to each of them.
        self._zeros: Zeros = np.zeros
        self._slots = self._empty_slots(_SLOTS_MIN)
        self._used = 0
        self._free = array("i")
        self._dead_size = 0
        self._recent: dict[bytes, int] = {}
        self._recent_size = 0

    def __len__(self) -> int:
        """Return the number of ids, those that are free included."""
        return len(self._starts)

    @property
    def size(self) -> int:
        """The memory of the table, in bytes."""
        columns = sum(each.size for each in self._columns)
        free = len(self._free) * self._free.itemsize
        return columns + self._slots.nbytes + free + self._recent_size

    @property
    def _columns(self) -> "tuple[Bytes | NarrowColumn, ...]":
        return self._data, self._starts, self._sizes, self._hashes

    def page(self, zeros: Zeros) -> None:
        """Move the table to arrays that *zeros* makes, as all later ones; see :meth:`store.columns.Column.page`."""
        self._zeros = zeros
        for column in self._columns:
            column.page(zeros)
        slots, self._slots = self._slots, self._empty_slots(len(self._slots))
        self._slots[:] = slots

    def _empty_slots(self, count: int) -> NDArray[np.int32]:
        slots = self._zeros(count, np.int32)
        slots.fill(_EMPTY)
        return slots

    # Looking up

    def find(self, key: bytes) -> int:
        """Return the id of *key*; ``ABSENT`` when it is not here."""
        found = self._recent.get(key, ABSENT)
        if found == ABSENT:
            found = self._find(key, self._hash_of(key))
            if found != ABSENT:
                self._remember({key: found})
        return found

    def key(self, number: int) -> bytes:
        """Return the key with the id *number*; empty for one that is free."""
        start = self._starts[number]
        return self._data[start : start + self._sizes[number]]

    def ids(self) -> NDArray[np.int64]:
        """Return the ids of all keys, in no order."""
        return self._slots[self._slots >= 0].astype(np.int64)

    def keys(self) -> Iterator[bytes]:
        """Return an iterator over all keys there are now, whatever is changed later; it needs no lock."""
        return self.keys_of(self.ids())

    def keys_of(self, ids: NDArray[np.int64]) -> Iterator[bytes]:
        """Return an iterator over the keys with *ids*, as :meth:`keys` does; empty for those that are free."""
        starts, sizes = (each.take(ids).astype(np.int64) for each in (self._starts, self._sizes))
        # Those that were added together lie together.
        first = int(starts[sizes > 0].min(initial=len(self._data)))
        last = int((starts + sizes).max(initial=0))
        return _cut(self._data[first:last], starts - first, sizes)

    def _keys_at(self, ids: NDArray[np.integer]) -> Iterator[bytes]:
        return _cut(self._data, self._starts.take(ids), self._sizes.take(ids))

    # Changing

    def add(self, key: bytes) -> int:
        """Add *key*, which is not here; returns its id."""
        self._reserve(1)
        number, hashed = self._free.pop() if self._free else len(self), self._hash_of(key)
        row = (len(self._data), len(key), hashed)
        is_new = number == len(self)
        for column, value in zip((self._starts, self._sizes, self._hashes), row, strict=True):
            if is_new:
                column.append(value)
            else:
                column[number] = value
        self._data.append(key)
        self._used += 1
        position = next(each for each in self._search(hashed) if self._slots[each] == _EMPTY)
        self._slots[position] = number
        return number

    def assign(self, keys: Sequence[bytes]) -> Assigned:
        """Find *keys*, and add those that are not here yet."""
        try:
            ids = np.fromiter(map(self._recent.__getitem__, keys), np.int64, len(keys))
            return Assigned(ids, [], ids[:0])
        except KeyError:
            known = {key: self._recent.get(key, ABSENT) for key in keys}
            others = [key for key, number in known.items() if number == ABSENT]
        assigned = (self._assign_few if len(others) <= _FEW else self._assign_many)(others)
        found = dict(zip(others, assigned.ids.tolist(), strict=True))
        self._remember(found)
        known |= found
        ids = np.fromiter(map(known.__getitem__, keys), np.int64, len(keys))
        return assigned._replace(ids=ids)

    def _assign_few(self, distinct: Sequence[bytes]) -> Assigned:
        ids = [self._find(key, self._hash_of(key)) for key in distinct]
        places = [place for place, number in enumerate(ids) if number == ABSENT]
        for place in places:
            ids[place] = self.add(distinct[place])
        found = np.array(ids, np.int64)
        return Assigned(found, [distinct[place] for place in places], found[places])

    def _assign_many(self, distinct: list[bytes]) -> Assigned:
        hashes = self._hashes_of(distinct)
        ids = self._find_all(distinct, hashes)
        missing = (ids == ABSENT).nonzero()[0]
        new, new_ids = _chosen(distinct, missing), ids[:0]
        if new:
            new_ids = ids[missing] = self._new_ids(len(new))
            self._set(new_ids, new, hashes[missing])
        return Assigned(ids, new, new_ids)

    def restore(self, ids: Sequence[int], keys: Sequence[bytes]) -> None:
        """Add *keys* with *ids*, which ascend and are larger than all so far; those left out are free.

        Raises:
            ValueError: if a key is there twice.
        """
        hashes = self._hashes_of(keys)
        if len(set(keys)) < len(keys) or (self._find_all(keys, hashes) != ABSENT).any():
            raise ValueError("a key that is there twice")
        given = np.array(ids, np.int64)
        between = np.ones(ids[-1] + 1 - len(self), np.bool_)
        between[given - len(self)] = False
        self._free.extend((between.nonzero()[0] + len(self)).tolist())
        self._set(given, keys, hashes)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove the keys with *ids*, all of which are here."""
        self._recent.clear()
        self._recent_size = 0
        self._dead_size += int(self._sizes.take(ids).sum(dtype=np.int64))
        pending, positions, step = ids, self._first_slots(self._hashes.take(ids)), 0
        while len(pending):
            is_there = self._slots[positions] == pending
            self._slots[positions[is_there]] = _DELETED
            step += 1
            pending, positions = pending[~is_there], self._next(positions[~is_there], step)
        self._starts.put(ids, 0)
        self._sizes.put(ids, 0)
        self._free.extend(ids.tolist())
        if self._dead_size > max(len(self._data) // 2, _DEAD_MIN):
            self._compact()

    # Hashing

    def _hash_of(self, key: bytes) -> int:
        return self._hashed(key) & 0xFFFFFFFF

    def _hashes_of(self, keys: Sequence[bytes]) -> NDArray[np.uint32]:
        return np.fromiter(map(self._hashed, keys), np.int64, len(keys)).astype(np.uint32)

    def _first_slots(self, hashes: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
        return hashes.astype(np.int64) & (len(self._slots) - 1)

    def _next(self, positions: NDArray[np.int64], step: int) -> NDArray[np.int64]:
        return (positions + step) & (len(self._slots) - 1)

    def _search(self, hashed: int) -> Iterator[int]:
        """Yield the slots, one after the other, where the id of a key that is *hashed* may be."""
        mask, step = len(self._slots) - 1, 0
        position = hashed & mask
        while True:
            yield position
            step += 1
            position = (position + step) & mask

    def _find(self, key: bytes, hashed: int) -> int:
        for position in self._search(hashed):
            found = int(self._slots[position])
            if found == _EMPTY:
                break
            if found >= 0 and self._hashes[found] == hashed and self.key(found) == key:
                return found
        return ABSENT

    def _find_all(self, keys: Sequence[bytes], hashes: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the ids of *keys*, which have *hashes*; ``ABSENT`` for one that is not here."""
        if len(keys) <= _FEW:
            pairs = zip(keys, hashes.tolist(), strict=True)
            return np.array([self._find(*each) for each in pairs], np.int64)
        found = np.full(len(keys), ABSENT, np.int64)
        pending, positions, step = np.arange(len(keys)), self._first_slots(hashes), 0
        while len(pending):
            ids = self._slots[positions]
            goes_on = ids != _EMPTY
            similar = (ids >= 0).nonzero()[0]
            similar = similar[self._hashes.take(ids[similar]) == hashes[pending[similar]]]
            wanted = pending[similar]
            there = [key == keys[each] for key, each in zip(
                self._keys_at(ids[similar]), wanted.tolist(), strict=True
            )]  # fmt: skip
            found[wanted[there]] = ids[similar[there]]
            goes_on[similar[there]] = False
            step += 1
            pending, positions = pending[goes_on], self._next(positions[goes_on], step)
        return found

    def _insert(self, ids: NDArray[np.int64], hashes: NDArray[np.unsignedinteger]) -> None:
        """Put *ids* of keys with *hashes*, none of which is there, into slots."""
        self._used += len(ids)
        pending, positions, step = ids, self._first_slots(hashes), 0
        while len(pending):
            is_empty = self._slots[positions] == _EMPTY
            self._slots[positions[is_empty]] = pending[is_empty]
            is_left = self._slots[positions] != pending  # as another one may have got the same slot
            step += 1
            pending, positions = pending[is_left], self._next(positions[is_left], step)

    def _reserve(self, count: int) -> None:
        """Reserve slots for *count* more ids, so that at least a quarter of all are empty."""
        if 4 * (self._used + count) <= 3 * len(self._slots):
            return
        ids = self.ids()
        needed, length = len(ids) + count, _SLOTS_MIN
        while 5 * needed > 3 * length:  # and some are left, so that this happens seldom
            length *= 2
        self._slots = self._empty_slots(length)
        self._used = 0
        self._insert(ids, self._hashes.take(ids))

    # Keeping

    def _new_ids(self, count: int) -> NDArray[np.int64]:
        freed = [self._free.pop() for _ in range(min(count, len(self._free)))]
        added = np.arange(len(self), len(self) + count - len(freed))
        return np.concatenate((np.array(freed, np.int64), added))

    def _set(
        self, ids: NDArray[np.int64], keys: Sequence[bytes], hashes: NDArray[np.uint32]
    ) -> None:
        """Set the *keys* with *ids*, and their *hashes*."""
        self._reserve(len(ids))
        count = max(int(ids.max()) + 1, len(self))
        sizes = np.fromiter(map(len, keys), np.int64, len(keys))
        for column, numbers in (
            (self._starts, len(self._data) + sizes.cumsum() - sizes),
            (self._sizes, sizes),
            (self._hashes, hashes),
        ):
            column.resize(count)
            column.put(ids, numbers)
        self._data.append(b"".join(keys))
        self._insert(ids, hashes)

    def _compact(self) -> None:
        """Drop the bytes of removed keys."""
        ids = np.sort(self.ids())
        sizes = self._sizes.take(ids).astype(np.int64)
        kept = b"".join(_cut(self._data, self._starts.take(ids).astype(np.int64), sizes))
        self._data.clear()
        self._data.append(kept)
        self._starts.put(ids, sizes.cumsum() - sizes)
        self._dead_size = 0

    def _remember(self, found: Mapping[bytes, int]) -> None:
        if len(found) > self.recent_size_max // _RECENT_ENTRY_SIZE:
            return
        size = sum(map(len, found)) + _RECENT_ENTRY_SIZE * len(found)
        if self._recent_size + size > self.recent_size_max:
            self._recent.clear()
            self._recent_size = 0
        if size <= self.recent_size_max:
            self._recent.update(found)
            self._recent_size += size


def _chosen(keys: list[bytes], places: NDArray[np.intp]) -> list[bytes]:
    """Return those of *keys* at *places*, which may be all."""
    return keys if len(places) == len(keys) else [keys[each] for each in places.tolist()]


def _cut(
    data: bytes | Bytes, starts: NDArray[np.integer], sizes: NDArray[np.integer]
) -> Iterator[bytes]:
    """Yield the parts of *data* at *starts*, of *sizes*."""
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        yield data[start : start + size]
