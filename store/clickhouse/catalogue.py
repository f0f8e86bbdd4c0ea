"""The catalogue: which tags and sources there are, kept so that it can be asked on every path."""

import math
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from store.clickhouse.arrivals import Arrivals, Cursor
from store.clickhouse.compiler import EVERYTHING, Condition
from store.clickhouse.reader import Reader
from store.clickhouse.tables import Tables
from store.errors import EventReadException
from store.format.event import split_tags
from store.format.record import decode_text, split_stream_key

__all__ = ["Catalogue", "Names"]

_SOURCE = "CAST(source, 'String') AS name"
_TAGS = "CAST(tags, 'Array(String)') AS names"

_KEYS_MAX = 1 << 16
"""How many streams are remembered as known, at most."""


class Names(NamedTuple):
    """The names that events have.

    Attributes:
        tags: the tags.
        sources: the sources.
    """

    tags: frozenset[str]
    sources: frozenset[str]


class Catalogue:
    """The names of all events. Any number of threads may use it.

    Those of the events that this process stores are added at once, those of others are asked for now and then.

    Args:
        reader: asks the engine.
        tables: its tables.
        arrivals: the cursor.
    """

    def __init__(self, reader: Reader, tables: Tables, arrivals: Arrivals) -> None:
        self._reader = reader
        self._shard = tables.shard
        self._arrivals = arrivals
        self._asking = threading.Lock()  # one thread asks the engine, for all
        self._lock = threading.Lock()
        self._names = Names(frozenset(), frozenset())
        self._keys: set[bytes] = set()  # the streams whose names were added
        self._cursor: Cursor | None = None  # until which the names of others are known
        self._asked = -math.inf

    def names(self) -> Names:
        """Return the names, those of other processes at most as old as the cursor may be.

        Raises:
            EventReadException: if the engine does not answer.
        """
        staleness_s = self._arrivals.staleness_s
        # While another thread asks, what is known is enough, if anything is.
        if self._asking.acquire(blocking=self._cursor is None or not staleness_s):
            try:
                if time.monotonic() - self._asked >= staleness_s:
                    self._ask()
            finally:
                self._asking.release()
        return self._names

    def _ask(self) -> None:
        # Not one that is known: what is late in both would be late twice.
        asked, cursor, now = time.monotonic(), self._cursor, self._arrivals.ask()
        if cursor is not None:
            now = cursor.advanced(now)
        if cursor is None or cursor.removals != now.removals:
            with self._lock:
                self._keys.clear()
                before = self._names
            found = self._names_by_stream(EVERYTHING)
            with self._lock:
                # Those that this process has added meanwhile stay.
                tags, sources = self._names.tags - before.tags, self._names.sources - before.sources
                self._names = Names(found.tags | tags, found.sources | sources)
        elif cursor != now:
            found = self._names_by_stream(
                EVERYTHING & f"{cursor.after(self._shard)} AND {now.up_to(self._shard)}"
            )
            self._add(found)
        self._cursor, self._asked = now, asked

    def has_tag(self, tag: str) -> bool:
        """Return whether some event has *tag*; while the engine is away, whether one had it before."""
        return self._has(lambda names: tag in names.tags)

    def has_source(self, source: str) -> bool:
        """Return whether some event is from *source*; while the engine is away, whether one was before."""
        return self._has(lambda names: source in names.sources)

    def _has(self, holds: Callable[[Names], bool]) -> bool:
        try:
            return holds(self.names())
        except EventReadException:
            if not holds(self._names):
                raise
            return True

    def add(self, keys: list[bytes]) -> None:
        """Add the names of the streams *keys*, of which events were stored."""
        new = set(keys) - self._keys
        if not new:
            return
        streams = [split_stream_key(key) for key in new]
        tags = {tag for _, joined in streams for tag in split_tags(decode_text(joined))}
        self._add(Names(frozenset(tags), frozenset(decode_text(source) for source, _ in streams)))
        with self._lock:
            self._keys = self._keys | new if len(self._keys) < _KEYS_MAX else new

    def forget(self) -> None:
        """Ask for all names again, for some may be gone."""
        with self._asking:
            self._asked, self._cursor = -math.inf, None

    def _add(self, names: Names) -> None:
        with self._lock:
            self._names = Names(self._names.tags | names.tags, self._names.sources | names.sources)

    def tags_of(self, condition: Condition) -> frozenset[str]:
        """Return the tags of the events that fulfil *condition*.

        Raises:
            EventReadException: if the engine does not answer.
        """
        blocks = self._reader.blocks([_TAGS], condition, "GROUP BY tags")
        return frozenset(
            decode_text(tag) for block in blocks for each in block["names"] for tag in each
        )

    def sources_of(self, condition: Condition) -> frozenset[str]:
        """Return the sources of the events that fulfil *condition*; see :meth:`tags_of`."""
        blocks = self._reader.blocks([_SOURCE], condition, "GROUP BY source")
        return frozenset(decode_text(source) for block in blocks for source in block["name"])

    def _names_by_stream(self, condition: Condition) -> Names:
        """Return the names of the events that fulfil *condition*: by the sums by stream, if those are all events."""
        tags: set[bytes] = set()
        sources: set[bytes] = set()
        for block in self._reader.blocks([_SOURCE, _TAGS], condition, "GROUP BY source, tags"):
            sources.update(block["name"])
            tags.update(*block["names"])
        return Names(frozenset(map(decode_text, tags)), frozenset(map(decode_text, sources)))
