"""The answers of a store that can only select events: correct on any engine, and as slow as its search."""

import hashlib
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from store.format.event import Event, encode_event
from store.query import Query, Span, joined, minute_name
from store.snapshot import Answer, Changes, Snapshot
from store.view import View

__all__ = ["SelectedSnapshot", "Selecting", "changes_since", "shown"]


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
        self._shown: list[tuple[str, bytes]] = []
        parts: dict[str, list[Span]] = defaultdict(list)
        for event in store.select(query):
            minute, data = minute_name(event.ticks), shown(event, view)
            self._shown.append((minute, data))
            parts[minute].append(Span(minute, len(data), 1, event.ticks, event.timestamp))
        spans = [joined(parts[minute], minute) for minute in sorted(parts, key=_start)]
        super().__init__(spans, joined(spans))

    def answer(self, minute: str | None = None) -> Answer:
        """See :meth:`Snapshot.answer`."""
        span = self.whole if minute is None else self.span(minute)
        found = [data for name, data in self._shown if minute in (None, name)]
        return _SelectedAnswer(self._store, self._query, minute, self._view, span, found)


class _SelectedAnswer(Answer):
    """An answer that begins with *found*, the records or lines of its events, and selects them again at every call."""

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
    """Return what has changed in *store* since *cursor*: a line for each minute, with its name and a digest of its records."""
    digests: dict[str, Any] = defaultdict(hashlib.sha256)
    for event in store.select(Query()):
        digests[minute_name(event.ticks)].update(shown(event, None))
    lines = {
        minute: f"{minute} {digest.hexdigest()}".encode() for minute, digest in digests.items()
    }
    known = set(cursor.split(b"\n"))
    changed = [minute for minute, line in lines.items() if line not in known]
    return Changes(b"\n".join(lines.values()), sorted(changed, key=_start))


def shown(event: Event, view: View | None) -> bytes:
    """Return *event* as it is shown in *view*; its record without one."""
    record = encode_event(event)[0]
    return record if view is None else view.render(record, np.array([0, len(record)]))


def _start(minute: str) -> int:
    return int(minute.partition("-")[0])
