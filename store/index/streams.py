"""Streams: the sets of events with equal source and tags, how much there is of each, and in which minutes."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from store.columns import Integers, Zeros
from store.index.change_times import ChangeTimes
from store.index.keys import ABSENT, KeyTable
from store.index.labels import Labels, sources_in, tags_in
from store.index.minute import DAMAGED
from store.index.postings import Postings
from store.index.stream_totals import StreamTotals
from store.index.summary import Total
from store.query import Filter, FromSource, HasTag, Not, Query, Untagged

__all__ = ["Stale", "Streams"]

_QUEUED_MIN, _QUEUED_MAX = 16, 1 << 16
"""Updates of the posting lists by minutes with at least _QUEUED_MIN streams are queued; the queue is merged at
_QUEUED_MAX streams, for one update of a bitmap with many minutes costs little more than one with a single minute."""

_FREE_MAX = 1 << 20
"""More free ids than this mean corruption."""

_RESTORED_AT_ONCE = 10_000
"""Keys that are restored in one step."""


class Stale:
    """A stream whose newest event was in a minute that is gone, so that another one is the newest now.

    Attributes:
        arrived: the ticks of the newest event that has arrived since then; 0 for none.
    """

    def __init__(self) -> None:
        self.arrived = 0


_RECENT_SIZE_MIN = 256 << 10
_RECENT_SHARE = 64


class Streams:
    """The streams of a store, by ids in the order in which they were first seen.

    Not safe for several threads: callers hold the store's state lock.

    Args:
        memory_size: the memory budget of the store, in bytes. A part of it is for the keys asked for last: with 256 KiB for
            them, rather than 4 MiB, indexing a day of 1.4 M events took 1.3 times the CPU time.

    Attributes:
        sources: the sources of all streams.
        tags: the tags of all streams; the empty one stands for no tag.
        stale: the streams whose newest events are to be found, by id.
        generation: changes whenever an id may mean another stream than before.
        changes: when their events last changed.
    """

    def __init__(self, memory_size: int = 0) -> None:
        self._keys = KeyTable(recent_size_max=max(memory_size // _RECENT_SHARE, _RECENT_SIZE_MIN))
        self.sources, self.tags = Labels(sources_in), Labels(tags_in)
        self._minutes = Postings()  # of each stream, the ids of its minutes
        self._queue: list[tuple[int, NDArray[np.integer]]] = []
        self._queued_count = 0
        self._events, self._sizes, self._newest = Integers(), Integers(), Integers()
        self.changes = ChangeTimes()
        self._columns = self._events, self._sizes, self._newest, self.changes, self._minutes
        self._tables = (self._keys, self.sources, self.tags, *self._columns)
        # All events together, kept apart because it is asked for all the time.
        self._everything = Total(0, 0, 0)
        self._emptied: set[int] = set()
        self._unsaved = array("i")  # some more than once
        self.stale: dict[int, Stale] = {}
        self.generation = 0
        self._keys.add(b"")  # DAMAGED, which has neither a source nor tags
        self._make_room()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def size(self) -> int:
        """The memory of all streams, in bytes, about."""
        unsaved = self._unsaved.itemsize * len(self._unsaved)
        return sum(each.size for each in self._tables) + unsaved

    def page(self, zeros: Zeros) -> None:
        """Move what is known of streams as :meth:`store.columns.Column.page` does."""
        for table in self._tables:
            table.page(zeros)

    # Ids

    def id_of(self, key: bytes) -> int:
        """Return the id of the stream with *key* (see :func:`store.format.record.stream_key`), a new one if it is new."""
        found = self._keys.find(key)
        if found == ABSENT:
            found = self._keys.add(key)
            self._admit([key], np.array([found]))
        return found

    def ids_of(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """Return the ids of the streams with *keys*, new ones for those that are new."""
        assigned = self._keys.assign(keys)
        if assigned.new:
            self._admit(assigned.new, assigned.new_ids)
        return assigned.ids

    def key(self, stream: int) -> bytes:
        """Return the key of *stream*."""
        return self._keys.key(stream)

    def take_changes(self) -> Iterator[tuple[int, bytes | None]]:
        """Return the ids and keys of the streams that are new since the last call; None for those that were forgotten.

        The iterator needs no lock.
        """
        if not self._unsaved:
            return iter(())
        ids = np.array(sorted(set(self._unsaved)), np.int64)
        self._unsaved = array("i")
        keys = self._keys.keys_of(ids)
        return ((stream, key or None) for stream, key in zip(map(int, ids), keys, strict=True))

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
        if self.stale:
            for stream, newest in zip(ids.tolist(), summary["newest"].tolist(), strict=True):
                self._note_newest(stream, newest)
        self.changes.note_arrived(ids, changed)
        self._count_everything(summary, 1)
        if len(ids) < _QUEUED_MIN:
            for stream in ids.tolist():
                self._minutes.add(stream, minute)
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
        if self.stale:
            self._note_newest(stream, ticks)
        self.changes.note_one(stream, changed)
        total = self._everything
        self._everything = Total(total.size + size, total.events + 1, max(total.newest, ticks))
        self._minutes.add(stream, minute)

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
            self.changes.note(ids, changed)
            self._count_everything(summary, -1)
            events, newest = self._events.take(ids), self._newest.take(ids)
            is_stale = (summary["newest"] >= newest) & (ids != DAMAGED)
            # Of those that are stale already, the newest may have been found in this minute a moment ago.
            again = self.stale.keys() & ids.tolist() if self.stale else ()
            for stream in (*ids[is_stale].tolist(), *again):
                self.stale[stream] = Stale()
            self._minutes.remove_all(ids, np.full(len(ids), minute))
            self._emptied.update(ids[(events == 0) & (ids != DAMAGED)].tolist())
        self._everything = self._everything._replace(newest=self._newest_of_all())

    def forget_emptied(self) -> None:
        """Forget the streams that have lost their last event, once no entries refer to them any more."""
        emptied, self._emptied = self._emptied, set()
        self._forget([each for each in emptied if not self._events[each] and self.key(each)])
        self._everything = self._everything._replace(newest=self._newest_of_all())

    def set_newest(self, found: NDArray[np.int64], stale: Mapping[int, "Stale"]) -> None:
        """Set the times of the newest events of *stale* streams.

        Args:
            found: by stream id, the ticks of the newest event in minutes that were read after the streams were
                stale, which may lack what arrived since then.
            stale: the entries of :attr:`stale` at that time; one that lost another minute since then stays stale.
        """
        for stream, then in stale.items():
            if self.stale.get(stream) is then:
                self._newest[stream] = max(int(found[stream]), then.arrived)
                del self.stale[stream]
        self._everything = self._everything._replace(newest=self._newest_of_all())

    def _note_newest(self, stream: int, ticks: int) -> None:
        stale = self.stale.get(stream)
        if stale is None:
            return
        stale.arrived = max(stale.arrived, ticks)
        if stale.arrived >= self._newest[stream]:  # as new as the one that is gone
            del self.stale[stream]

    def _newest_of_all(self) -> int:
        return int(self._newest.slice(0, len(self)).max(initial=0))

    def _count_everything(self, summary: NDArray[np.void], sign: int) -> None:
        size, events, newest = self._everything
        damaged = int(summary["events"][summary["stream"] == DAMAGED].sum())
        self._everything = Total(
            size + sign * int(summary["size"].sum()),
            events + sign * (int(summary["events"].sum(dtype=np.int64)) - damaged),
            max(newest, int(summary["newest"].max(initial=0))) if sign > 0 else newest,
        )

    # Asking

    def total(self, matching: NDArray[np.bool_] | None) -> tuple[Total, float]:
        """Return the total of all events of *matching* streams, None for all, and when they last changed."""
        if matching is None:
            return self._everything, self.changes.last(None)
        ids = matching.nonzero()[0]
        total = Total(
            int(self._sizes.take(ids).sum()),
            int(self._events.take(ids).sum()),
            int(self._newest.take(ids).max(initial=0)),
        )
        return total, self.changes.last(ids)

    def events(self, count: int) -> NDArray[np.int64]:
        """Return the numbers of events of the first *count* streams."""
        return self._events.slice(0, count).copy()

    def matching(self, query: Query) -> NDArray[np.bool_]:
        """Return for each stream id whether its events answer *query*, as far as their sources and tags decide.

        For no filter at all, damage does, too.
        """
        flags = np.ones(len(self), np.bool_)
        for each in query.of_streams.filters:
            flags &= self._selected(each)
        flags[DAMAGED] = query.asks_everything
        return flags

    def _selected(self, each: Filter) -> NDArray[np.bool_]:
        match each:
            case Not(negated):
                return ~self._selected(negated)
            case HasTag(any_of):
                streams = map(self.tags.streams, any_of)
            case FromSource(any_of):
                streams = map(self.sources.streams, any_of)
            case Untagged():
                streams = map(self.tags.streams, [""])
            case _:
                raise AssertionError(f"streams do not decide {each}")
        flags = np.zeros(len(self), np.bool_)
        for ids in streams:
            flags[ids] = True
        return flags

    def minutes(self, matching: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the ids of the minutes with events of *matching* streams, damage aside."""
        ids = matching.nonzero()[0]
        return self.minutes_of(ids[ids != DAMAGED])

    def minutes_of(self, streams: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids of the minutes with events of any of *streams*."""
        self._merge_queue()
        return self._minutes.union(streams)

    def keys_of(self, streams: NDArray[np.int64]) -> Iterator[bytes]:
        """Return an iterator over the keys of *streams*; it needs no lock."""
        return self._keys.keys_of(streams)

    # Keeping

    @property
    def end(self) -> int:
        """The id after the last that a stream has: streams at the end that were forgotten leave no trace."""
        return int(self._keys.ids().max()) + 1

    def export(self) -> StreamTotals:
        """Return the totals of all streams."""
        self._merge_queue()
        count = self.end
        lengths, postings = self._minutes.export()
        changed, forgotten, disturbances = self.changes.export(count)
        return StreamTotals(
            self._events.slice(0, count).copy(),
            self._sizes.slice(0, count).copy(),
            self._newest.slice(0, count).copy(),
            lengths[:count],
            changed,
            postings,
            forgotten,
            disturbances,
        )

    def restore(self, totals: StreamTotals) -> None:
        """Set the totals of all streams, which have their keys already, to *totals*; their shapes were checked."""
        self.changes.restore(totals.changed, totals.forgotten, totals.disturbances)
        self._restore_counts(*totals[:4], totals.postings)

    def _restore_counts(
        self,
        events: NDArray[np.int64],
        sizes: NDArray[np.int64],
        newest: NDArray[np.int64],
        lengths: NDArray[np.int64],
        postings: NDArray[np.uint32],
    ) -> None:
        columns = (self._events, events), (self._sizes, sizes), (self._newest, newest)
        for column, values in columns:
            column.put(np.arange(len(self)), values)
        self._minutes.restore(lengths, postings)
        undamaged = int(events.sum()) - int(events[DAMAGED])
        self._everything = Total(int(sizes.sum()), undamaged, int(newest.max(initial=0)))

    def restore_keys(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Set the keys of all streams but damage.

        Args:
            rows: their ids, in ascending order, and their keys.

        Raises:
            ValueError: if two keys are the same, or an id is larger than it can be.
        """
        rows, last, count = iter(rows), DAMAGED, 0
        while some := list(islice(rows, _RESTORED_AT_ONCE)):
            ids, keys = zip(*some, strict=True)
            for stream in ids:
                count += 1
                if not last < stream <= count + _FREE_MAX:
                    raise ValueError("stream ids that cannot be")
                last = stream
            self._keys.restore(ids, keys)
            self._admit(keys, np.array(ids))
            self._unsaved = array("i")

    def adopt(self, other: "Streams") -> None:
        """Become what *other* is, which must not be used any more."""
        recent_size_max = self._keys.recent_size_max
        self.__dict__.update(other.__dict__)
        self._keys.recent_size_max = recent_size_max

    def reset_counts(self) -> None:
        """Set the counts of all streams to nothing."""
        zeros = np.zeros(len(self), np.int64)
        self._queue.clear()
        self._queued_count = 0
        self._restore_counts(zeros, zeros, zeros, zeros, np.empty(0, np.uint32))

    def forget_empty(self) -> None:
        """Forget the streams that have no event."""
        ids = self._keys.ids()
        self._forget(ids[(self._events.take(ids) == 0) & (ids != DAMAGED)].tolist())

    def recount(
        self,
        rows: NDArray[np.void],
        minutes: NDArray[np.integer],
        changed: NDArray[np.float64] | float,
    ) -> None:
        """Count the summaries of all minutes, from nothing.

        Args:
            rows: of type ``SUMMARY``, of all minutes one after the other.
            minutes: for each row, the id of its minute.
            changed: for each row, or for all, when it last changed, in seconds since the epoch.
        """
        streams = rows["stream"].astype(np.int64)
        count = len(self)
        events, sizes, newest = (np.zeros(count, np.int64) for _ in range(3))
        np.add.at(events, streams, rows["events"].astype(np.int64))
        np.add.at(sizes, streams, rows["size"].astype(np.int64))
        np.maximum.at(newest, streams, rows["newest"].astype(np.int64))
        changes = np.zeros(count)
        np.maximum.at(changes, streams, changed)
        self.changes.set_all(changes)
        postings = minutes[np.lexsort((minutes, streams))].astype(np.uint32)
        lengths = np.bincount(streams, minlength=count)
        self._restore_counts(events, sizes, newest, lengths, postings)

    def _admit(self, keys: Sequence[bytes], ids: NDArray[np.int64]) -> None:
        """Make room for streams with *keys* that have *ids*, some of which others had that were forgotten."""
        before = len(self._events)
        self._make_room()
        if (ids < before).any():
            self.generation += 1
        self._unsaved.extend(ids.tolist())
        for labels in (self.sources, self.tags):
            labels.admit(keys, ids)

    def _make_room(self) -> None:
        count = len(self._keys)
        for column in self._columns:
            column.resize(count)

    def _forget(self, streams: Sequence[int]) -> None:
        """Forget *streams*, which have no event left; others get their ids."""
        if not streams:
            return
        ids = np.array(streams, np.int64)
        keys = [self.key(each) for each in streams]
        for labels in (self.sources, self.tags):
            labels.forget(keys, ids)
        self._keys.remove(ids)
        self._newest.put(ids, 0)
        self.changes.forget(ids)
        self._minutes.clear(ids)
        self._unsaved.extend(streams)
        for stream in streams:
            self.stale.pop(stream, None)
        self.generation += 1

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
        self._minutes.add_all(streams, minutes)
