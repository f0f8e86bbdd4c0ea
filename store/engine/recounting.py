"""Recounting the streams: their totals again from the summaries of all minutes."""

import logging
import threading
import time

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.engine.lookup import Lookup
from store.errors import EventReadException
from store.index.summary import SUMMARY, runs_of_minutes

__all__ = ["recount"]

log = logging.getLogger(__name__)


def recount(lookup: Lookup, append_lock: threading.Lock) -> None:
    """Recount all streams of *lookup* from the summaries of all minutes; changes hold *append_lock*."""
    with lookup.lock:
        ids = lookup.catalog.ids()
    known: dict[int, tuple[int, NDArray[np.void]]] = {}
    for run in runs_of_minutes(len(ids)):
        known.update(lookup.summaries(ids[run]))
    loaded = [_load(lookup, minute) for minute in ids.tolist() if minute not in known]
    counted = np.fromiter(known, np.int64, len(known))
    entries = np.array([count for count, _ in known.values()], np.int64)
    summaries = [summary for _, summary in known.values()]
    rows = np.concatenate([np.empty(0, SUMMARY), *summaries])
    places = np.arange(len(counted)).repeat([len(each) for each in summaries])
    with append_lock, lookup.lock:
        # Few have changed since; a loop over all of them would hold up every save.
        ids = lookup.catalog.ids()
        is_same = np.isin(counted, ids)
        is_same[is_same] = lookup.catalog.values("entries", counted[is_same]) == entries[is_same]
        others = ids[~np.isin(ids, counted[is_same])].tolist()
        found = [(minute, lookup.completed(minute, known)) for minute in others]
        parts = [(minute, part) for minute, part in found if part is not None]
        more = [np.full(len(part), minute) for minute, part in parts]
        is_kept = is_same[places]
        minutes = np.concatenate([counted[places[is_kept]], *more])
        rows = np.concatenate([rows[is_kept], *(part for _, part in parts)])
        lookup.streams.reset_counts()
        if len(rows):
            # Which of them lost a minute is unknown.
            lookup.streams.recount(rows, minutes, time.time())
        lookup.streams.forget_empty()
    del loaded  # they had to stay in memory until they were counted


def _load(lookup: Lookup, number: int) -> Minute | None:
    """Load the entries of the minute with the id *number*; None if they cannot be read."""
    try:
        minute = lookup.minute(number)
        minute.entries.load()
    except EventReadException as error:
        log.warning("not counted: %s", error)
        return None
    return minute
