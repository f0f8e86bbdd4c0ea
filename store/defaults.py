"""The answers of a store that can only select events: correct on any engine, and as slow as its search."""

import hashlib
import json
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from store.format.event import Event, encode_event
from store.query import Query, Span, joined, minute_name
from store.snapshot import Answer, Changes, Snapshot
from store.view import View

__all__ = ["Selecting", "SelectedSnapshot", "changes_since", "shown"]


class Selecting(Protocol):
    """A store that can select events."""

    @abstractmethod
    def select(self, query: Query) -> Iterator[Event]:
        """See :meth:`store.api.EventStore.select`."""


class SelectedSnapshot(Snapshot):
    """A snapshot that keeps the records or lines of its events.

    Args:
        store: the store.
        query: the query.
        view: the view that shows its events; None for their records.
    """

    def __init__(self, store: Selecting, query: Query, view: View | None) -> None:
        self._store = store
        self._query = query
        self._view = view
        self._events = [
            (minute_name(event.ticks), event, shown(event, view)) for event in store.select(query)
        ]
        spans: dict[str, Span] = {}
        for minute, event, data in self._events:
            span = Span(minute, len(data), 1, event.ticks, event.timestamp)
            spans[minute] = joined(
                [spans.get(minute, span._replace(size=0, events=0)), span], minute
            )
        ordered = sorted(spans.values(), key=lambda span: int(span.name.partition("-")[0]))
        super().__init__(ordered, joined(ordered))

    def answer(self, minute: str | None = None) -> Answer:
        """See :meth:`Snapshot.answer`."""
        span = self.whole if minute is None else self.span(minute)
        found = [data for name, _, data in self._events if minute in (None, name)]
        return _SelectedAnswer(self._store, self._query, minute, self._view, span, found)


class _SelectedAnswer(Answer):
    """An answer that begins with *found*, the records or lines of its events, and selects them anew at every call."""

    def __init__(
        self,
        store: Selecting,
        query: Query,
        minute: str | None,
        view: View | None,
        span: Span | None,
        found: list[bytes],
    ) -> None:
        self._data = b"".join(found)
        super().__init__(span, hashlib.sha256(self._data).digest())
        self._store = store
        self._query = query
        self._minute = minute
        self._view = view
        self._counts = Counter(found)

    def size(self) -> int:
        """See :meth:`Answer.size`."""
        self._update()
        return len(self._data)

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Answer.read`."""
        self._update()
        return self._data[offset : offset + size]

    def _update(self) -> None:
        """Append the events that have arrived, as they are shown; those that were removed stay."""
        counts: Counter[bytes] = Counter()
        for event in self._store.select(self._query):
            if self._minute in (None, minute_name(event.ticks)):
                data = shown(event, self._view)
                counts[data] += 1
                if counts[data] > self._counts[data]:
                    self._data += data
        self._counts |= counts


def changes_since(store: Selecting, cursor: bytes) -> Changes:
    """Return what has changed in *store* since *cursor*, which has a digest of each minute; empty for the beginning."""
    digests = defaultdict(hashlib.sha256)
    for event in store.select(Query()):
        digests[minute_name(event.ticks)].update(shown(event, None))
    now = {minute: digest.hexdigest() for minute, digest in digests.items()}
    before = json.loads(cursor or b"{}")
    changed = [minute for minute in now if before.get(minute) != now[minute]]
    return Changes(
        json.dumps(now).encode(), sorted(changed, key=lambda name: int(name.partition("-")[0]))
    )


def shown(event: Event, view: View | None) -> bytes:
    """Return *event* as it is shown in *view*; its record without one."""
    record = encode_event(event)[0]
    return record if view is None else view.render(record, np.array([0, len(record)]))
