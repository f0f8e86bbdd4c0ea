"""The copier: what has changed in a store since the last time is compared with the destination, which gets what it lacks."""

import time
from collections.abc import Callable, Iterator

import numpy as np

from store import Batch, EventStore, MinuteGone, Query
from store.format.record import CLOSING
from theiafs.copying.position import Position, minute_key
from theiafs.importing.destination import Destination
from theiafs.importing.interruption import Interruption
from theiafs.importing.known import Hashes, Known, hashes_of
from theiafs.importing.places import Places, occurrences
from theiafs.importing.records import Damage, Records, read_records

__all__ = ["Copier"]

_PIECE_SIZE = 4 << 20
_BATCH_SIZE = 4 << 20
"""What is missing is saved when it has this size, in bytes: each save may be a request to another machine."""

_NOTED_EVERY_S = 10.0
"""How often the position is noted, in seconds: if the copy is killed, the next one reads again what was copied since."""

_TRIES = 3
"""How often a minute is read that other programs replace meanwhile."""


class Copier:
    """The copying of events from a store into a destination. Each call of :meth:`run` copies what is new.

    Every minute keeps its order of arrival; minutes follow each other by time.

    Args:
        source: the store.
        destination: where its events go.
        state: the name of the state in which the destination keeps the position.
        interruption: puts off what would interrupt a save.

    Attributes:
        copied: the number of events that were saved.
        copied_size: the size of their records, in bytes.
        known: the number of events that were compared, and that the destination had.
        damaged_size: the number of bytes in the source that are no event.
    """

    def __init__(
        self,
        source: EventStore,
        destination: Destination,
        state: str,
        interruption: Interruption,
    ) -> None:
        self._source = source
        self._destination = destination
        self._state = state
        self._interruption = interruption
        self._batch = Batch()
        self._batch_size = 0
        self.copied = self.copied_size = self.known = self.damaged_size = 0

    def run(self, progress: Callable[[int, int], object], *, compares_all: bool = False) -> None:
        """Copy what has changed since the last copy that came to its end, or was interrupted.

        Args:
            progress: called with the number of minutes that are copied, and of all that have changed.
            compares_all: whether to compare also what was copied before, which may be gone from the destination.

        Raises:
            EventStoreException: if the source cannot be read, or the events cannot be saved.
        """
        last = Position()
        if not compares_all:
            last = Position.unpack(self._destination.read_state(self._state))
        changes = self._source.follow(last.after)
        minutes = set(changes.minutes)
        if not last.has_ended:
            reached = minute_key(last.reached) if last.reached else (-1, -1)
            left = self._source.follow(last.before).minutes
            minutes.update(each for each in left if minute_key(each) > reached)
        if not minutes:
            return
        noted = time.monotonic()
        known = Known(self._destination, _hashes_of_records)
        for done, minute in enumerate(sorted(minutes, key=minute_key), 1):
            self._copy_minute(minute, known)
            if time.monotonic() >= noted + _NOTED_EVERY_S:
                self._note(Position(last.before, changes.cursor, minute))
                noted = time.monotonic()
            progress(done, len(minutes))
        self._note(Position(changes.cursor, changes.cursor))

    def _note(self, position: Position) -> None:
        """Make durable what was copied, and then note *position*."""
        self._save()
        with self._interruption.deferred():
            self._destination.sync()
            self._destination.write_state(self._state, position.pack())

    def _copy_minute(self, minute: str, known: Known) -> None:
        """Save those events of *minute* that are not *known*."""
        known_before, damaged_before, added_before = self.known, self.damaged_size, self._added
        added = 0  # by tries that failed
        for tries_left in reversed(range(_TRIES)):
            try:
                self._copy_records(minute, known)
            except MinuteGone:
                if not tries_left:
                    raise
                # Some of it may have been copied, which is to be known when it is read again.
                self._save()
                added = self._added - added_before
                self.known, self.damaged_size = known_before, damaged_before
                known = Known(self._destination, _hashes_of_records)
            else:
                self.known = max(self.known - added, known_before)
                return

    def _copy_records(self, minute: str, known: Known) -> None:
        places = Places()
        for each in read_records(self._pieces(minute)):
            if isinstance(each, Damage):
                self.damaged_size += each.size
                continue
            near = known.near(each.block.ticks)
            if not len(near):
                self._add(each)
                continue
            hashes = _hashes_of_records(each)
            # Of equal records, the destination has the first ones.
            earlier = places.count(hashes, each.block.ticks)
            is_new = earlier >= occurrences(near, hashes)
            self.known += int(np.count_nonzero(~is_new))
            for new in each.runs(is_new):
                self._add(new)

    def _pieces(self, minute: str) -> Iterator[bytes]:
        """Read *minute* of the source; nothing of one that is gone."""
        answer = self._source.answer(Query(), minute)
        size = answer.span.size if answer.span is not None else 0
        for offset in range(0, size, _PIECE_SIZE):
            yield answer.read(offset, min(_PIECE_SIZE, size - offset))

    @property
    def _added(self) -> int:
        """How many events were added so far, those that are not saved yet included."""
        return self.copied + len(self._batch)

    def _add(self, records: Records) -> None:
        """Save *records*, together with others."""
        self._batch.add_block(records.data, records.block)
        self._batch_size += int((records.block.ends - records.block.starts).sum())
        if self._batch_size >= _BATCH_SIZE:
            self._save()

    def _save(self) -> None:
        batch, self._batch, self._batch_size = self._batch, Batch(), 0
        if not len(batch):
            return
        with self._interruption.deferred():
            self._destination.save(batch)
            self.copied += len(batch)
            self.copied_size += len(batch.data)


def _hashes_of_records(records: Records) -> Hashes:
    """Return the hash of each of *records*, all of it."""
    data, block = records.data, records.block
    rows = zip(block.starts.tolist(), block.ends.tolist(), block.closed.tolist(), strict=True)
    return hashes_of(
        [
            data[start:end] if is_closed else data[start:end] + CLOSING
            for start, end, is_closed in rows
        ]
    )
