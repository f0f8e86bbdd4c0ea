"""Power cuts at every operation on the log and its minute files: nothing durable is lost, nothing is doubled."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.faults import Fate, FaultyDisk, PowerCut
from tests.minutes import FilesOnDisk

MINUTES = ("0-60", "60-120", "120-180")
ROOT = "/s"
EVENT = re.compile(rb"<[0-9a-z]+>\n")
FATES = [Fate("kept"), Fate("dropped"), *(Fate("torn", seed) for seed in range(3))]


@dataclass
class Expected:
    """The events that must be there, those that may be, and those that must not."""

    acknowledged: set[bytes] = field(default_factory=set)
    durable: set[bytes] = field(default_factory=set)
    possible: set[bytes] = field(default_factory=set)
    removed: set[bytes] = field(default_factory=set)


def work(disk: FaultyDisk, expected: Expected, keep_s: float, run: str = "a") -> None:
    """Save, sync, flush and release events; another program removes a minute."""
    with FilesOnDisk(ROOT, disk, keep_s) as files:
        expected.durable |= expected.acknowledged  # of an earlier process
        for number in range(14):
            event = b"<%s%d>\n" % (run.encode(), number)
            expected.possible.add(event)
            files.write(files.open(MINUTES[number % 3]), event)
            expected.acknowledged.add(event)
            if number % 4 == 1:
                acknowledged = expected.acknowledged.copy()
                files.log.sync()
                expected.durable |= acknowledged
            if number % 5 == 3:
                files.log.rotate()
                files.flush(*(files.open(minute) for minute in MINUTES))
            if number == 10:
                lose(disk, files, expected)


def lose(disk: FaultyDisk, files: FilesOnDisk, expected: Expected) -> None:
    """Another program removes a minute, all of which is flushed; the store makes its records void."""
    minute = MINUTES[2]
    if not disk.exists(f"{ROOT}/{minute}"):
        return
    tail = files.open(minute).tail()
    gone = set(EVENT.findall(disk.lose(f"{ROOT}/{minute}"))) - set(EVENT.findall(tail))
    expected.acknowledged -= gone
    expected.durable -= gone
    lsns = files.log.reset({minute: tail})
    files.log.rotate()
    files.log.release({})
    files.log.sync()
    expected.removed |= gone
    del files.files[minute]
    if tail:
        files.open(minute).extend(len(tail), lsns[minute])


def check(disk: FaultyDisk, required: set[bytes], expected: Expected) -> None:
    """Open what was left, twice, with a flush in between."""
    shown = []
    for _ in range(2):
        with FilesOnDisk(ROOT, disk) as files:
            served = [
                EVENT.findall(files.content(minute))
                for minute in MINUTES
                if minute in files.files or disk.exists(f"{ROOT}/{minute}")
            ]
            assert all(len(events) == len(set(events)) for events in served)
            found = [event for events in served for event in events]
            assert len(found) == len(set(found)), "doubled"
            assert required <= set(found) <= expected.possible - expected.removed
            shown.append(found)
            files.flush(*files.files.values())
    assert shown[0] == shown[1]


def cuts(keep_s: float) -> Iterator[tuple[FaultyDisk, Expected]]:
    """Do the work with a power cut at each operation."""
    for phase in ("before", "middle", "after"):
        cut_at = 0
        while True:
            cut_at += 1
            disk, expected = FaultyDisk(), Expected()
            disk.cut_at, disk.cut_phase = cut_at, phase
            try:
                work(disk, expected, keep_s)
            except PowerCut:
                yield disk, expected
                continue
            break


@pytest.mark.parametrize("keep_s", [0, 600])
def test_a_power_cut_at_each_operation(keep_s: float) -> None:
    """Synced records survive; if only the process ended, all acknowledged ones do."""
    for disk, expected in cuts(keep_s):
        for fate in FATES:
            required = expected.acknowledged if fate.name == "kept" else expected.durable
            check(disk.after_a_power_cut(fate), required, expected)


@pytest.mark.parametrize("fate", FATES[:2], ids=["kept", "dropped"])
def test_a_power_cut_while_the_log_is_opened_again(fate: Fate) -> None:
    """A second process that goes on from what the first one left, and is cut as well."""
    first, expected = FaultyDisk(), Expected()
    first.cut_at, first.cut_phase = 60, "middle"
    with pytest.raises(PowerCut):
        work(first, expected, 600)
    cut_at = 0
    while True:
        cut_at += 1
        disk = first.after_a_power_cut(fate)
        both = Expected(
            expected.acknowledged.copy() if fate.name == "kept" else expected.durable.copy(),
            expected.durable.copy(),
            expected.possible.copy(),
            expected.removed.copy(),
        )
        disk.cut_at = cut_at
        try:
            work(disk, both, 0, "b")
        except PowerCut:
            for again in FATES:
                required = both.acknowledged if again.name == "kept" else both.durable
                check(disk.after_a_power_cut(again), required, both)
            continue
        break
