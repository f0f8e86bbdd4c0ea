"""theia 0.9.2 in a process of its own, as it would run in a user's.

Run as ``python -m benchmark.theia_peer search DIRECTORY`` or ``... save DIRECTORY MINUTES EVENTS``; prints
the seconds it took and the number of events.
"""

import os
import sys
import time

from theia.model import Event
from theia.naivestore import NaiveEventStore

from benchmark.events import Extent, minute_events

_HOUR_MS = 3_600_000


def _search(directory: str) -> None:
    started = time.perf_counter()
    store = NaiveEventStore(directory, flush_interval=0)
    found = list(store.search(ts_start=0, flags=["web"]))
    _tell(time.perf_counter() - started, len(found))


def _save(directory: str, extent: Extent) -> None:
    events = [
        Event(event.id, event.source, event.timestamp, list(event.tags), event.content)
        for minute in range(extent.minutes)
        for event in minute_events(extent, minute)
    ]
    store = NaiveEventStore(directory, flush_interval=_HOUR_MS)
    started = time.perf_counter()
    for event in events:
        store.save(event)
    seconds = time.perf_counter() - started
    saved = sum(file.buffer.getvalue().count(b"\nid:") for file in store.open_files.values())
    _tell(seconds, saved)
    # Its timer would keep the process for an hour.
    os._exit(0)


def _tell(seconds: float, events: int) -> None:
    print(seconds, events, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "search":
        _search(sys.argv[2])
    else:
        _save(sys.argv[2], Extent(int(sys.argv[3]), int(sys.argv[4])))
