"""Known records: those that the destination has in the minutes that are touched; no other minute is read."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from store import Batch, Event
from store.format.event import encode_event
from store.query import MINUTE_S
from store.ticks import TICKS_PER_S
from theiafs.importing import known as known_module
from theiafs.importing.destination import Destination
from theiafs.importing.known import Known, hashes_of

DAY_MINUTES = 24 * 60


class Minutes(Destination):
    """Minutes in memory, each with one event, whose id is its number; counts what is asked for."""

    def __init__(self, minutes: range) -> None:
        self.numbers = minutes
        self.calls: Counter[str] = Counter()

    def minutes(self, start_s: int, end_s: int) -> list[str]:
        self.calls["minutes"] += 1
        starts = [number * MINUTE_S for number in self.numbers]
        return [
            f"{start}-{start + MINUTE_S}"
            for start in starts
            if start <= end_s and start + MINUTE_S > start_s
        ]

    def read(self, minute: str) -> Iterator[bytes]:
        self.calls["read"] += 1
        start = int(minute.partition("-")[0])
        event = Event(start // MINUTE_S, "s", ticks=start * TICKS_PER_S)
        yield encode_event(event)[0]

    def save(self, batch: Batch) -> None:
        raise AssertionError("nothing is saved here")

    def close(self) -> None:
        """Nothing to do."""


def known_by_id(destination: Destination) -> Known:
    return Known(destination, lambda records: hashes_of(records.ids))


def asked(known: Known, minutes: list[int]) -> list[bool]:
    """Ask for an event of each of the minutes."""
    ids = [b"%d" % minute for minute in minutes]
    ticks = np.array([(minute * MINUTE_S + 5) * TICKS_PER_S for minute in minutes])
    return list(np.isin(hashes_of(ids), known.near(ticks)).tolist())


def test_only_what_is_touched_is_read_and_once() -> None:
    destination = Minutes(range(0, 3 * DAY_MINUTES, 2))
    known = known_by_id(destination)
    assert asked(known, [0, 1, 2, 3]) == [True, False, True, False]
    assert asked(known, [3, 2, 2 * DAY_MINUTES]) == [False, True, True]
    assert destination.calls == {"minutes": 2, "read": 3}


def test_minutes_that_come_later_are_not_read() -> None:
    """They are of the import itself."""
    destination = Minutes(range(4))
    known = known_by_id(destination)
    assert asked(known, [9]) == [False]
    destination.numbers = range(10)
    assert asked(known, [9]) == [False]
    assert destination.calls == {"minutes": 1}


def test_few_hashes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of minutes that were touched last; the others are read again when they are touched."""
    monkeypatch.setattr(known_module, "_KEPT_MAX", 5)
    destination = Minutes(range(100))
    known = known_by_id(destination)
    for minutes in (range(3), range(3, 6), range(10, 20), range(19, 20), range(1)):
        assert asked(known, list(minutes)) == [True] * len(minutes)
        assert known._kept <= 5
    assert destination.calls["read"] == 17
