"""Stores that survived a fault: what is on their disks is in order, and is what was promised."""

import math
from dataclasses import dataclass, field

from store import Event, NaiveEventStore, Query
from store.engine.check import Audit
from store.format.record import Record
from store.format.scan import scan
from store.minutes.names import parse_name
from tests.faults import FaultyDisk
from tests.volatile import is_temporary

__all__ = ["NEVER_MS", "ROOT", "Promises", "Survivors", "check_minute_files"]

ROOT = "/s"
NEVER_MS = math.inf


@dataclass
class Promises:
    """The promises that programs were given, by the ids of events."""

    tried: dict[object, Event] = field(default_factory=dict)
    saved: set[object] = field(default_factory=set)
    synced: set[object] = field(default_factory=set)
    deleted: set[object] = field(default_factory=set)
    maybe_deleted: set[object] = field(default_factory=set)

    def copy(self) -> "Promises":
        sets = self.saved, self.synced, self.deleted, self.maybe_deleted
        return Promises(self.tried.copy(), *(each.copy() for each in sets))


def check_minute_files(disk: FaultyDisk, root: str = ROOT) -> None:
    """Every minute file is a whole number of whole events."""
    for name in disk.names(root):
        if parse_name(name):
            data = disk.content(f"{root}/{name}")
            found = scan(lambda offset, size, data=data: data[offset : offset + size], len(data))  # type: ignore[misc]
            assert all(isinstance(each, Record) for each in found), name


def read_store(disk: FaultyDisk) -> list[Event]:
    """Open the store, read and close it; everything about it must be in order."""
    check_minute_files(disk)
    store = NaiveEventStore(ROOT, NEVER_MS, disk)
    found = list(store.search(0))
    ids = [event.id for event in found]
    assert len(ids) == len(set(ids)), f"doubled: {ids}"
    counted = store.whole(Query().tagged("t")).events
    assert counted == len(found), f"counted {counted}, found {len(found)}"
    store.close()
    check_minute_files(disk)
    findings = [str(finding) for finding in Audit(ROOT, disk=disk).run()]
    assert findings == [], findings
    left = disk.names(f"{ROOT}/.theiafs/journal")
    assert left == [], f"left in the journal: {left}"
    return found


class Survivors:
    """Disks that survived something. Equal ones are read once: what is found does not depend on what was promised.

    Nor does it on what is in a temporary file, unless that was read.
    """

    def __init__(self) -> None:
        self._found: dict[bytes, set[object]] = {}

    def check_promises(
        self, disk: FaultyDisk, promises: Promises, is_power_cut: bool
    ) -> set[object]:
        """Compare what is on *disk* with the *promises*; return the ids of the events that are there."""
        some = disk.fingerprint(names_only=is_temporary)
        ids = self._found.get(some)
        if ids is None:
            everything = disk.fingerprint()
            ids = self._found.get(everything)
        if ids is None:
            found = {event.id: event for event in read_store(disk)}
            ids = set(found)
            self._found[everything if disk.has_read_temporary else some] = ids
            # All events of one id are equal, in all runs.
            assert found == {each: promises.tried[each] for each in ids}, f"changed: {found}"
        assert ids <= promises.tried.keys(), f"never saved: {ids - promises.tried.keys()}"
        kept = promises.synced if is_power_cut else promises.saved
        assert kept - promises.maybe_deleted <= ids, f"lost: {kept - ids}"
        assert not promises.deleted & ids, "came back"
        return ids
