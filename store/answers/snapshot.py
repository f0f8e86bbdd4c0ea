"""Snapshots of a directory of minute files: versions, with what each of their minutes has."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.answer import MinuteAnswer, MinuteBytes, WholeAnswer
from store.answers.lines import MinuteLines, WholeLines
from store.answers.version import Minute, Version
from store.query import Query, Span
from store.snapshot import Answer, EmptyAnswer, Snapshot
from store.view import View

__all__ = ["VersionSnapshot", "open_minute", "open_whole"]


class VersionSnapshot(Snapshot):
    """A snapshot of *version*.

    Args:
        version: the version.
        spans: the part in each of its minutes.
        whole: all of it.
        view: the view that shows its events; None for their records.
        access: the access to minutes.
    """

    def __init__(
        self,
        version: Version,
        spans: Sequence[Span],
        whole: Span,
        view: View | None,
        access: Access,
    ) -> None:
        super().__init__(
            [span for span in spans if span.events or version.query.asks_everything], whole
        )
        self._version = version
        self._sizes = np.array([span.size for span in spans], np.int64)
        self._places = {span.name: place for place, span in enumerate(spans)}
        self._view = view
        self._access = access

    def answer(self, minute: str | None = None) -> Answer:
        """See :meth:`Snapshot.answer`."""
        version = self._version
        if minute is None:
            return open_whole(version, self.whole, self._sizes, self._view, self._access)
        span = self.span(minute)
        if span is None:
            return EmptyAnswer()
        place = self._places[minute]
        found = self._access.minute(int(version.minutes[place]))
        entries = int(version.entries[place])
        return open_minute(version.query, self._view, found, entries, span, self._access)


def open_whole(
    version: Version, whole: Span, sizes: NDArray[np.int64], view: View | None, access: Access
) -> Answer:
    """Open the answer of *version*.

    Args:
        version: the version.
        whole: the size and the events of the answer in *view*.
        sizes: the size of each part in *view*, in bytes.
        view: the view; None for records.
        access: the access to minutes.
    """
    if version.query.content_filters:
        # A rare word costs what its minutes cost.
        has_some = sizes > 0
        version, sizes = version.only(has_some), sizes[has_some]
    if view is None:
        return WholeAnswer(version, access, whole)
    return WholeLines(version, view, access, whole, sizes.__getitem__)


def open_minute(
    query: Query, view: View | None, minute: Minute, entries: int, span: Span | None, access: Access
) -> Answer:
    """Open the answer to *query* in *minute*, whose lines are those in *view*.

    Args:
        query: the query.
        view: the view; None for records.
        minute: the minute.
        entries: the number of its entries at the opening.
        span: the answer then.
        access: the access to minutes.
    """
    if view is not None:
        return MinuteLines(query, view, minute, access, span, entries)
    if query.asks_everything:
        return MinuteBytes(minute, access, span)
    return MinuteAnswer(query, minute, access, span, entries)
