"""Summaries: what the small text files of a query directory say of its events."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from store import TICKS_PER_S, EventStore, Query
from store.format.contents import find_contents, find_fields
from store.format.record import encode_text
from theiafs.paths import NodeKind
from theiafs.rendering.counts import render_counts
from theiafs.rendering.histogram import Histogram
from theiafs.rendering.patterns import Patterns

__all__ = ["SCANS", "SUMMARIES", "Summary"]

Summary = Callable[[EventStore, Query], bytes]
"""Returns the text of a summary of the events of a store that answer a query."""

_DAY = 86_400 * TICKS_PER_S
_BUCKET_WIDTHS = (3600 * TICKS_PER_S, 60 * TICKS_PER_S, TICKS_PER_S)
_BUCKETS_MAX = 10_000
"""Events are counted by day, then by hour, minute and second, as long as there are at most this many buckets."""


def count(store: EventStore, query: Query) -> bytes:
    """Return the number of events."""
    return b"%d\n" % store.whole(query).events


def tags(store: EventStore, query: Query) -> bytes:
    """Return the tags with their numbers of events."""
    counts: Counter[bytes] = Counter()
    for stream in store.streams(query):
        for tag in stream.tags:
            counts[encode_text(tag)] += stream.events
    return render_counts(counts)


def sources(store: EventStore, query: Query) -> bytes:
    """Return the sources with their numbers of events."""
    counts: Counter[bytes] = Counter()
    for stream in store.streams(query):
        counts[encode_text(stream.source)] += stream.events
    return render_counts(counts)


def levels(store: EventStore, query: Query) -> bytes:
    """Return the levels with their numbers of events."""
    return render_counts({level.encode(): found for level, found in store.levels(query).items()})


def histogram(store: EventStore, query: Query) -> bytes:
    """Return the numbers of events by time."""
    found, width = store.histogram(query, _DAY), _DAY
    if not found:
        return b""
    for finer in _BUCKET_WIDTHS:
        if (max(found) + 1 - min(found)) * width // finer > _BUCKETS_MAX:
            break
        if not (closer := store.histogram(query, finer)):  # all of them are gone now
            break
        found, width = closer, finer
    starts = np.array(list(found)) * width
    shown = Histogram(int(starts.min()), int(starts.max()))
    shown.add(starts, np.array(list(found.values())))
    return shown.render()


def patterns(store: EventStore, query: Query) -> bytes:
    """Return the templates of the messages with their numbers of events."""
    found = Patterns()
    for data, edges in store.records(query):
        contents = find_contents(data, edges)
        found.add(data, *contents, find_fields(data, edges, contents).ticks)
    return found.render()


SUMMARIES: dict[NodeKind, Summary] = {
    NodeKind.COUNT: count,
    NodeKind.TAGS: tags,
    NodeKind.SOURCES: sources,
    NodeKind.LEVELS: levels,
    NodeKind.HISTOGRAM: histogram,
    NodeKind.PATTERNS: patterns,
}

SCANS = frozenset({NodeKind.LEVELS, NodeKind.HISTOGRAM, NodeKind.PATTERNS})
"""Those for which contents may have to be read, whatever the query."""
