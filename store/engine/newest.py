"""The newest events of streams: found again after the minutes of some were removed."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.errors import EventReadException, MinuteGone
from store.index.catalog import Catalog
from store.index.streams import Streams
from store.index.summary import (
    SUMMARY,
    Summaries,
    merge_summaries,
    runs_of_minutes,
    summarize,
)

__all__ = ["Newest"]

log = logging.getLogger(__name__)


class Source(Protocol):
    """Access to minutes, and what is known of all of them under its lock."""

    lock: threading.Lock
    catalog: Catalog
    streams: Streams

    def minute(self, minute: int) -> Minute:
        """Return the minute with the id *minute*."""

    def summaries(self, minutes: NDArray[np.int64]) -> Summaries:
        """Return by id the known summaries of *minutes*, each after the number of entries in it."""


class Newest:
    """The newest events of streams. Any number of threads may use it.

    Args:
        source: the minutes and the streams.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def refresh(self, matching: NDArray[np.bool_] | None) -> None:
        """Find the newest events of the stale ones among the *matching* streams; None for all."""
        if not self._source.streams.stale:
            return
        with self._source.lock:
            stale = {
                stream: each
                for stream, each in self._source.streams.stale.items()
                if matching is None or (stream < len(matching) and matching[stream])
            }
            minutes = self._source.streams.minutes_of(np.array(list(stale), np.int64))
        if not stale:
            return
        found = np.zeros(max(stale) + 1, np.int64)
        is_complete = True
        for minute, known in self._known(minutes):
            try:
                summary = self._completed(minute, known)
            except EventReadException as error:
                log.info("its newest events are not counted yet: %s", error)
                is_complete = isinstance(error, MinuteGone) and is_complete
                continue
            rows = summary[summary["stream"] < len(found)]
            found[rows["stream"]] = np.maximum(found[rows["stream"]], rows["newest"])
        if is_complete:  # otherwise they stay stale, and the next time tries again
            with self._source.lock:
                self._source.streams.set_newest(found, stale)

    def summaries(self, minutes: NDArray[np.int64]) -> Iterator[NDArray[np.void]]:
        """Yield the summaries of all entries that *minutes* have now; none for one that is gone.

        Raises:
            EventReadException: if one that is there cannot be read.
        """
        for minute, known in self._known(minutes):
            with contextlib.suppress(MinuteGone):
                yield self._completed(minute, known)

    def _known(self, minutes: NDArray[np.int64]) -> Iterator[tuple[int, Summaries]]:
        """Yield the ids of *minutes*, each with the known summaries of it and some others."""
        for run in runs_of_minutes(len(minutes)):
            some = minutes[run]
            known = self._source.summaries(some)
            yield from ((minute, known) for minute in some.tolist())

    def _completed(self, minute: int, known: Summaries) -> NDArray[np.void]:
        """Return the summary of all entries of *minute*, by id, given those that are *known*."""
        count, summary = known.get(minute, (0, np.empty(0, SUMMARY)))
        if count >= self._source.catalog.entries(minute):
            return summary
        entries = self._source.minute(minute).entries
        columns = entries.columns(count, len(entries))
        return merge_summaries(summary, summarize(columns, len(self._source.streams)))
