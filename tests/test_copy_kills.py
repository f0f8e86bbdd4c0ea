"""A copy is killed, or the power goes, at every operation on the disk of the destination; the next one goes on, exactly."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from store import Event, NaiveEventStore
from store.index.tables import Tables
from tests.copying import copy, records_in
from tests.doubles import ListStore, copy_of_new_tables
from tests.faults import FaultyDisk
from tests.survivors import NEVER_MS, ROOT, check_minute_files
from tests.volatile import Fate
from theiafs.copying import copier as copier_module

pytestmark = pytest.mark.timeout(900)  # while other programs run, a sweep takes minutes

FATES = [Fate("kept"), Fate("dropped"), Fate("torn", 1), Fate("torn", 2)]

EVENTS = [
    Event("a", "s", 10, ["web"], "one"),
    Event("b", "t", 75, [], "two"),
    Event("a", "s", 10, ["web"], "one"),
    Event("c", "s", 11, ["web"], "three"),
    Event("b", "t", 75, [], "two"),
    Event("d", "s", 300, ["db"], "four"),
    Event("a", "s", 10, ["web"], "one"),
    Event("e", "t", 301, [], "five"),
]
"""Equal ones in two minutes, one after another and apart."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let everything that is saved together, and the time between two notes of the position, be as little as can be."""
    monkeypatch.setattr(copier_module, "_PIECE_SIZE", 100)
    monkeypatch.setattr(copier_module, "_BATCH_SIZE", 100)
    monkeypatch.setattr(copier_module, "_NOTED_EVERY_S", 0)
    monkeypatch.setattr(Tables, "create", copy_of_new_tables(Tables.create))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("there", [[], EVENTS[:1], EVENTS[2:5]], ids=["empty", "one", "some"])
def test_a_copy_that_ends_anywhere_goes_on(
    there: list[Event], record_property: Callable[[str, int], None]
) -> None:
    """Each record is there as often as in the source, whatever had been saved and noted; again, nothing is copied."""
    source, disk = ListStore(), FaultyDisk()
    source.save_all(EVENTS)
    wanted = records_in(source)
    with closing(NaiveEventStore(ROOT, NEVER_MS, disk)) as destination:
        destination.save_all(there)
    cuts: list[FaultyDisk] = []
    with closing(NaiveEventStore(ROOT, NEVER_MS, disk)) as destination:
        disk.on_cut = lambda _phase, left: cuts.append(left)
        copy(source, destination)
        disk.on_cut = None
        assert records_in(destination) == wanted
    seen: set[tuple[str, bytes]] = set()
    found: set[int] = set()
    for left in cuts:
        for fate in FATES:
            survived = left.after_a_power_cut(fate)
            state = fate.name, survived.fingerprint()
            if state not in seen:
                seen.add(state)
                found.add(check_going_on(source, survived))
    assert len(found) > 2, "it was not interrupted while it copied"
    record_property("states", len(seen))


def check_going_on(source: ListStore, disk: FaultyDisk) -> int:
    """Check that the next copy goes on where one had been killed, and return how many records had been copied."""
    wanted = records_in(source)
    with closing(NaiveEventStore(ROOT, NEVER_MS, disk)) as resumed:
        before = records_in(resumed)
        assert before <= wanted
        assert copy(source, resumed).copied == sum((wanted - before).values())
        assert records_in(resumed) == wanted
    check_minute_files(disk)
    with closing(NaiveEventStore(ROOT, NEVER_MS, disk)) as again:
        assert records_in(again) == wanted
        assert copy(source, again).copied == 0
        assert copy(source, again, compares_all=True).copied == 0
    return sum(before.values())
