"""Lines of a log in a format, as events to import."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import Batch, Event
from store.format.record import encode_key, encode_text
from theiafs.addition import Addition
from theiafs.formats.fields import Fields, Kind
from theiafs.formatted import tags_of
from theiafs.importing.multiline import Contents
from theiafs.importing.reader_process import Lines
from theiafs.importing.selection import Selection
from theiafs.importing.summary import Guess, Summary
from theiafs.tallies import Tallies

__all__ = ["LineImport", "LineRules"]


class LineRules(NamedTuple):
    """How the lines of one file are read.

    Attributes:
        now: the time of the last change of the file, in ticks since the epoch.
        source: the source of events that do not say theirs.
        addition: what is said of every event.
        tallies: limits the tags of fields.
    """

    now: int
    source: str
    addition: Addition
    tallies: Tallies


class LineImport:
    """The import of the lines of one file.

    Args:
        rules: says how they are read.
        selection: says which events are new.
        summary: counts them.
    """

    def __init__(self, rules: LineRules, selection: Selection, summary: Summary) -> None:
        self._now = rules.now
        self._source = rules.source
        self._addition = rules.addition
        self._tallies = rules.tallies
        self._selection = selection
        self._summary = summary
        self._last_ticks: int | None = None

    def batch(self, contents: Contents, lines: Lines) -> Batch:
        """Return the new ones of the events with *contents*, which were read as *lines*, in the order of their times."""
        batch = Batch()
        fields = lines.fields
        ticks = self._times(fields)
        if not fields.events:
            self._add_lines(batch, contents.texts, ticks, lines)
        else:
            self._add_events(batch, fields.events)
            rows = [row for row in range(len(ticks)) if row not in fields.events]
            texts = [contents.texts[row] for row in rows]
            self._add_lines(batch, texts, ticks[rows], lines.only(rows))
        self._summary.add_events(ticks)
        self._summary.known += len(ticks) - len(batch)
        if not fields.is_parsed.all():
            self._summary.add_unparsed(contents.lines[~fields.is_parsed].tolist())
        return batch

    def _times(self, fields: Fields) -> npt.NDArray[np.int64]:
        """Return the times of lines with *fields*; those that say none get one of another line, or of the file."""
        guesses = self._summary.guesses
        before, is_there = self._last_ticks, fields.have_times
        if before is not None:
            guesses[Guess.BEFORE] += int(np.count_nonzero(~is_there))
        elif is_there.any():
            first = int(is_there.argmax())
            before = int(fields.times(0)[first])
            guesses[Guess.AFTER] += first
            guesses[Guess.BEFORE] += int(np.count_nonzero(~is_there[first:]))
        else:
            guesses[Guess.FILE] += len(is_there)
            return fields.times(self._now)
        ticks = fields.times(before)
        self._last_ticks = int(ticks[-1])
        return ticks

    def _add_lines(
        self, batch: Batch, texts: list[bytes], ticks: npt.NDArray[np.int64], lines: Lines
    ) -> None:
        """Add the new ones of the lines *texts*, of the times *ticks*, which were read as *lines*, to *batch*."""
        if not texts:
            return
        keys, streams = [self._key(kind) for kind in lines.kinds], lines.places
        ids, is_new = self._selection.identify(lines.digests, ticks, streams, keys)
        # Events in the order of their times are in few runs of one minute each.
        is_ordered = bool((ticks[1:] >= ticks[:-1]).all())
        if not (is_ordered and is_new.all()):
            order = np.argsort(ticks, kind="stable")
            order = order[is_new[order]]
            texts = [texts[row] for row in order.tolist()]
            ticks, streams, ids = ticks[order], streams[order], ids[order]
            # Of a stream without a new event, nothing is known in the destination.
            used, streams = np.unique(streams, return_inverse=True)
            keys = [keys[each] for each in used.tolist()]
        if texts:
            batch.add_identified(texts, ticks, streams, keys, ids)

    def _key(self, kind: Kind) -> bytes:
        """Return the key of the stream of lines of *kind*."""
        source, *_ = kind
        tags, _names = tags_of(kind, self._tallies)
        return encode_key(*self._addition.to(source or self._source, tags))

    def _add_events(self, batch: Batch, events: Mapping[int, Event]) -> None:
        """Add the new ones of *events*, which are whole, to *batch*."""
        ordered = sorted(events.values(), key=lambda event: event.ticks)
        ticks = np.array([event.ticks for event in ordered], np.int64)
        ids = [encode_text(str(event.id)) for event in ordered]
        for row in np.flatnonzero(self._selection.are_new(ids, ticks)).tolist():
            batch.add(self._addition.to_event(ordered[row]))
