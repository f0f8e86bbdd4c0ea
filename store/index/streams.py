"""Streams: the sets of events with equal source and tags, how much there is of each, and in which minutes.

The only module that knows pyroaring.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from store.columns import Integers, Reals
from store.format.record import split_stream_key
from store.index.minute import DAMAGED
from store.index.summary import Total
from store.query import Query

__all__ = ["StreamTotals", "Streams"]

_QUEUED_MIN, _QUEUED_MAX = 16, 1 << 16
"""Updates of the posting lists by minutes with at least _QUEUED_MIN streams are queued; the queue is merged at
_QUEUED_MAX streams, for one update of a bitmap with many minutes costs little more than one with a single minute."""

_FREE_MAX = 1 << 20
"""More free ids than this mean corruption."""


class StreamTotals(NamedTuple):
    """The totals of all streams by id, and the posting lists one after the other, each of *lengths* minutes."""

    events: NDArray[np.int64]
    sizes: NDArray[np.int64]
    newest: NDArray[np.int64]
    lengths: NDArray[np.int64]
    postings: NDArray[np.uint32]


class Streams:
    """The streams of a store, by ids in the order in which they were first seen.

    Not safe for several threads: callers hold the store's state lock.

    Attributes:
        stale: streams the newest event of which was in a minute that is gone.
        generation: changes whenever an id may mean another stream than before.
    """

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._ids: dict[bytes, int] = {}
        # Posting lists: of each tag, the ids of its streams; of each stream, the ids of its minutes. None is an
        # empty list, a number a list of one: most streams of a store with many are in a single minute.
        self._streams_by_tag: dict[str, int | array[int]] = {}
        self._minutes: list[int | BitMap | None] = []
        self._queue: list[tuple[int, NDArray[np.integer]]] = []
        self._queued_count = 0
        self._events, self._sizes, self._newest = Integers(), Integers(), Integers()
        self._changed = Reals()
        # All events together, kept apart because it is asked for all the time.
        self._everything = Total(0, 0, 0)
        self._everything_changed = 0.0
        self._free: list[int] = []
        self._emptied: set[int] = set()
        self._unsaved: dict[int, bytes | None] = {}
        self.stale: set[int] = set()
        self.generation = 0
        self._add(b"")  # DAMAGED

    def __len__(self) -> int:
        return len(self._keys)

    # Ids

    def id_of(self, key: bytes) -> int:
        """Return the id of the stream with *key* (see :func:`store.format.record.stream_key`), a new one if it is new."""
        found = self._ids.get(key)
        return self._add(key) if found is None else found

    def ids_of(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """Return the ids of the streams with *keys*, most of which are known."""
        try:
            return np.fromiter(map(self._ids.__getitem__, keys), np.int64, len(keys))
        except KeyError:
            return np.fromiter(map(self.id_of, keys), np.int64, len(keys))

    def key(self, stream: int) -> bytes:
        """Return the key of *stream*."""
        return self._keys[stream]

    def take_changes(self) -> dict[int, bytes | None]:
        """Return the keys of the streams that are new since the last call, by id; None for those that were forgotten."""
        changes, self._unsaved = self._unsaved, {}
        return changes

    # Counting

    def count(self, minute: int, summary: NDArray[np.void], changed: float) -> None:
        """Add *summary* of events that *minute* has now.

        Args:
            minute: the id of the minute.
            summary: rows of type ``SUMMARY``.
            changed: when they came, in seconds since the epoch.
        """
        ids = summary["stream"].astype(np.int64)
        self._events.put(ids, self._events.take(ids) + summary["events"])
        self._sizes.put(ids, self._sizes.take(ids) + summary["size"])
        self._newest.put(ids, np.maximum(self._newest.take(ids), summary["newest"]))
        self._changed.slice(0, len(self))[ids] = np.maximum(self._changed.take(ids), changed)
        self._count_everything(summary, 1, changed)
        if len(ids) < _QUEUED_MIN:
            for stream in ids.tolist():
                self._add_minute(stream, minute)
        else:
            self._queue.append((minute, ids))
            self._queued_count += len(ids)
            if self._queued_count > _QUEUED_MAX:
                self._merge_queue()

    def count_one(self, minute: int, stream: int, size: int, ticks: int, changed: float) -> None:
        """Add one event that *minute* has now; without arrays, which would cost more than all the rest."""
        self._events[stream] += 1
        self._sizes[stream] += size
        self._newest[stream] = max(self._newest[stream], ticks)
        self._changed[stream] = changed
        total = self._everything
        self._everything = Total(total.size + size, total.events + 1, max(total.newest, ticks))
        self._everything_changed = max(self._everything_changed, changed)
        self._add_minute(stream, minute)

    def discount(self, minutes: Sequence[tuple[int, NDArray[np.void]]], changed: float) -> None:
        """Subtract *minutes*, which are gone; see :meth:`forget_emptied`.

        Args:
            minutes: their ids, and their summaries.
            changed: when they went, in seconds since the epoch.
        """
        self._merge_queue()
        for minute, summary in minutes:
            ids = summary["stream"].astype(np.int64)
            self._events.put(ids, self._events.take(ids) - summary["events"])
            self._sizes.put(ids, self._sizes.take(ids) - summary["size"])
            self._changed.slice(0, len(self))[ids] = changed
            self._count_everything(summary, -1, changed)
            events, newest = self._events.take(ids), self._newest.take(ids)
            is_stale = (summary["newest"] >= newest) & (ids != DAMAGED)
            self.stale.update(ids[is_stale].tolist())
            for stream in ids.tolist():
                self._remove_minute(stream, minute)
            self._emptied.update(ids[(events == 0) & (ids != DAMAGED)].tolist())
        self._everything = self._everything._replace(newest=self._newest_of_all())

    def forget_emptied(self) -> None:
        """Forget the streams that have lost their last event, once no entries refer to them any more."""
        emptied, self._emptied = self._emptied, set()
        self._forget({each for each in emptied if not self._events[each]})
        self._everything = self._everything._replace(newest=self._newest_of_all())

    def set_newest(self, stream: int, ticks: int) -> None:
        """Set the time of the newest event of *stream*, which was stale, to *ticks*."""
        self._newest[stream] = ticks
        self.stale.discard(stream)
        self._everything = self._everything._replace(newest=self._newest_of_all())

    def _newest_of_all(self) -> int:
        return int(self._newest.slice(0, len(self)).max(initial=0))

    def _count_everything(self, summary: NDArray[np.void], sign: int, changed: float) -> None:
        size, events, newest = self._everything
        damaged = int(summary["events"][summary["stream"] == DAMAGED].sum())
        self._everything = Total(
            size + sign * int(summary["size"].sum()),
            events + sign * (int(summary["events"].sum(dtype=np.int64)) - damaged),
            max(newest, int(summary["newest"].max(initial=0))) if sign > 0 else newest,
        )
        self._everything_changed = max(self._everything_changed, changed)

    # Asking

    def total(self, matching: NDArray[np.bool_] | None) -> tuple[Total, float]:
        """Return the total of all events of *matching* streams, None for all, and when they last changed."""
        if matching is None:
            return self._everything, self._everything_changed
        ids = matching.nonzero()[0]
        total = Total(
            int(self._sizes.take(ids).sum()),
            int(self._events.take(ids).sum()),
            int(self._newest.take(ids).max(initial=0)),
        )
        return total, float(self._changed.take(ids).max(initial=0.0))

    def matching(self, query: Query) -> NDArray[np.bool_]:
        """Return for each stream id whether its events answer *query*, their times aside; for no filter, damage too."""
        flags = np.ones(len(self), np.bool_)
        for any_of in query.tags:
            wanted = np.zeros(len(self), np.bool_)
            for tag in any_of:
                wanted[self.with_tag(tag)] = True
            flags &= wanted
        flags[DAMAGED] = query.asks_everything
        return flags

    def with_tag(self, tag: str) -> NDArray[np.integer]:
        """Return the ids of the streams with *tag*."""
        found = self._streams_by_tag.get(tag)
        if found is None:
            return np.empty(0, np.int64)
        return np.array([found] if isinstance(found, int) else found, np.int64)

    def minutes(self, matching: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the ids of the minutes with events of *matching* streams, damage aside."""
        self._merge_queue()
        ids = matching.nonzero()[0]
        postings = [self._minutes[stream] for stream in ids[ids != DAMAGED].tolist()]
        bitmaps = [each for each in postings if isinstance(each, BitMap)]
        found = BitMap.union(*bitmaps) if bitmaps else BitMap()
        found |= BitMap([each for each in postings if isinstance(each, int)])
        return np.array(found.to_array(), np.int64)

    def damaged(self) -> Iterable[int]:
        """Return the ids of the minutes with damage."""
        return self._minutes_of(DAMAGED)

    def minutes_of(self, stream: int) -> NDArray[np.int64]:
        """Return the ids of the minutes with events of *stream*."""
        self._merge_queue()
        return np.array(list(self._minutes_of(stream)), np.int64)

    def has_tag(self, tag: str) -> bool:
        """Return whether some event has *tag*; needs no lock."""
        return tag in self._streams_by_tag

    def tags(self) -> frozenset[str]:
        """Return the tags of all events."""
        return frozenset(self._streams_by_tag)

    def tags_of(self, streams: Iterable[int]) -> frozenset[str]:
        """Return the tags of *streams*."""
        return frozenset(tag for stream in streams for tag in _tags_in(self._keys[stream]))

    # Keeping

    def export(self) -> StreamTotals:
        """Return the totals of all streams."""
        self._merge_queue()
        postings = [np.array(list(self._minutes_of(each)), np.uint32) for each in range(len(self))]
        count = len(self)
        return StreamTotals(
            self._events.slice(0, count).copy(),
            self._sizes.slice(0, count).copy(),
            self._newest.slice(0, count).copy(),
            np.array([len(each) for each in postings], np.int64),
            np.concatenate(postings),
        )

    def restore(self, totals: StreamTotals) -> None:
        """Set the totals of all streams, which have their keys already, to *totals*; their shapes were checked."""
        for column, values in zip(
            (self._events, self._sizes, self._newest), totals[:3], strict=True
        ):
            column.put(np.arange(len(self)), values)
        starts = totals.lengths.cumsum() - totals.lengths
        single = (totals.lengths == 1).nonzero()[0]
        for stream, minute in zip(
            single.tolist(), totals.postings[starts[single]].tolist(), strict=True
        ):
            self._minutes[stream] = minute
        for stream in (totals.lengths > 1).nonzero()[0].tolist():
            first = int(starts[stream])
            self._minutes[stream] = BitMap(
                totals.postings[first : first + int(totals.lengths[stream])]
            )
        events = totals.events.copy()
        events[DAMAGED] = 0
        self._everything = Total(
            int(totals.sizes.sum()), int(events.sum()), int(totals.newest.max(initial=0))
        )

    def restore_keys(self, keys: dict[int, bytes]) -> None:
        """Set the *keys* of all streams but damage, by id.

        Raises:
            ValueError: if two are the same, or an id is larger than it can be.
        """
        last = max(keys, default=0)
        if (
            min(keys, default=1) <= DAMAGED
            or last > len(keys) + _FREE_MAX
            or len(set(keys.values())) < len(keys)
        ):
            raise ValueError("stream ids that cannot be")
        for stream in range(1, last + 1):
            key = keys.get(stream)
            self._add(b"" if key is None else key, is_used=key is not None)
        self._free = [stream for stream in range(1, last + 1) if stream not in keys]
        self._unsaved = {}

    def adopt(self, other: "Streams") -> None:
        """Become what *other* is, which must not be used any more."""
        self.__dict__.update(other.__dict__)

    def reset_counts(self) -> None:
        """Set the counts of all streams to nothing."""
        count = len(self)
        zeros = np.zeros(count, np.int64)
        self._queue.clear()
        self._queued_count = 0
        self._minutes = [None] * count
        self.restore(StreamTotals(zeros, zeros, zeros, zeros, np.empty(0, np.uint32)))

    def forget_empty(self) -> None:
        """Forget the streams that have no event."""
        events = self._events.slice(0, len(self))
        self._forget({each for each in self._ids.values() if not events[each]})

    def recount(self, rows: NDArray[np.void], minutes: NDArray[np.integer]) -> None:
        """Count the summaries of all minutes, from nothing.

        Args:
            rows: of type ``SUMMARY``, of all minutes one after the other.
            minutes: for each row, the id of its minute.
        """
        streams = rows["stream"].astype(np.int64)
        count = len(self)
        events, sizes, newest = (np.zeros(count, np.int64) for _ in range(3))
        np.add.at(events, streams, rows["events"].astype(np.int64))
        np.add.at(sizes, streams, rows["size"].astype(np.int64))
        np.maximum.at(newest, streams, rows["newest"].astype(np.int64))
        order = np.lexsort((minutes, streams))
        lengths = np.bincount(streams, minlength=count)
        self.restore(StreamTotals(events, sizes, newest, lengths, minutes[order].astype(np.uint32)))

    def _add(self, key: bytes, is_used: bool = True) -> int:
        if self._free and is_used:
            stream = self._free.pop()
            self._keys[stream] = key
            self._changed[stream] = 0.0
            self.generation += 1
        else:
            stream = len(self._keys)
            self._minutes.append(None)
            for integers in (self._events, self._sizes, self._newest):
                integers.append(0)
            self._changed.append(0.0)
            self._keys.append(key)
        if is_used and stream != DAMAGED:
            self._ids[key] = stream
            self._unsaved[stream] = key
            for tag in _tags_in(key):
                found = self._streams_by_tag.setdefault(tag, stream)
                if isinstance(found, int):
                    if found != stream:
                        self._streams_by_tag[tag] = array("q", (found, stream))
                else:
                    found.append(stream)
        return stream

    def _forget(self, streams: set[int]) -> None:
        """Forget *streams*, which have no event left; others get their ids."""
        streams = {each for each in streams if self._keys[each]}
        for tag in self.tags_of(streams):
            found = self._streams_by_tag[tag]
            rest = array(
                "q",
                () if isinstance(found, int) else (each for each in found if each not in streams),
            )
            if rest:
                self._streams_by_tag[tag] = rest
            else:
                del self._streams_by_tag[tag]
        for stream in streams:
            del self._ids[self._keys[stream]]
            self._keys[stream] = b""
            self._newest[stream] = 0
            self._minutes[stream] = None
            self._unsaved[stream] = None
            self._free.append(stream)
        self.stale -= streams
        self.generation += bool(streams)

    def _minutes_of(self, stream: int) -> Iterable[int]:
        found = self._minutes[stream]
        if found is None:
            return ()
        return (found,) if isinstance(found, int) else found

    def _add_minute(self, stream: int, minute: int) -> None:
        found = self._minutes[stream]
        if found is None:
            self._minutes[stream] = minute
        elif isinstance(found, BitMap):
            found.add(minute)
        elif found != minute:
            self._minutes[stream] = BitMap((found, minute))

    def _remove_minute(self, stream: int, minute: int) -> None:
        found = self._minutes[stream]
        if isinstance(found, BitMap):
            found.discard(minute)
        elif found == minute:
            self._minutes[stream] = None

    def _merge_queue(self) -> None:
        """Add the queued minutes to the posting lists."""
        if not self._queue:
            return
        streams = np.concatenate([ids for _, ids in self._queue])
        minutes = np.repeat(
            np.array([minute for minute, _ in self._queue], np.uint32),
            [len(ids) for _, ids in self._queue],
        )
        self._queue.clear()
        self._queued_count = 0
        order = np.argsort(streams, kind="stable")
        streams, ordered = streams[order], minutes[order]
        starts = np.flatnonzero(np.diff(streams, prepend=-1))
        edges = [*starts.tolist(), len(streams)]
        for stream, (first, last) in zip(streams[starts].tolist(), pairwise(edges), strict=True):
            if last - first == 1:
                self._add_minute(stream, int(ordered[first]))
                continue
            found = self._minutes[stream]
            added = BitMap(ordered[first:last])
            if isinstance(found, BitMap):
                found |= added
            elif found is not None:
                added.add(found)
            self._minutes[stream] = found if isinstance(found, BitMap) else added


def _tags_in(key: bytes) -> tuple[str, ...]:
    """Return the tags in a stream *key*."""
    names = split_stream_key(key)[1].decode("utf-8", "surrogateescape").split(",")
    return tuple(dict.fromkeys(filter(None, names)))
