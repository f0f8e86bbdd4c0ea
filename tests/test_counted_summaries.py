"""Summaries out of the index, many at once: as each by itself, whatever is wrong with some of them."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from store.index.row import MinuteRow
from store.index.rows import checked, counted_summaries, counted_summary, pack_row
from store.index.summary import SUMMARY, checksum_of

STREAMS = 50
MINUTES = 30

Packed = tuple[int, bytes, bytes, int]
"""An id, a row, a summary, and the checksum of both."""


def summary(chance: random.Random) -> NDArray[np.void]:
    """Return the summary of a minute, which may be empty."""
    streams = sorted(chance.sample(range(STREAMS), chance.choice([0, 1, 2, 20, STREAMS])))
    rows = [(each, chance.randrange(1, 9), chance.randrange(1 << 40), each) for each in streams]
    return np.array(rows, SUMMARY)


def packed_with(row: MinuteRow, rows: NDArray[np.void] | bytes) -> Packed:
    """Return what the index has of a minute, with a checksum that is right."""
    parts = pack_row(row), rows if isinstance(rows, bytes) else rows.tobytes()
    return row.id, *parts, checksum_of(*parts)


def row_of(minute: int, rows: NDArray[np.void]) -> MinuteRow:
    """Return the row of a minute with a summary of *rows*."""
    size, entries = int(rows["size"].sum()), int(rows["events"].sum())
    return MinuteRow(minute, 60 * minute, 60 * minute + 60, size, bytes=size, entries=entries)


def is_changed(row: MinuteRow, rows: NDArray[np.void]) -> Packed:
    return packed_with(row._replace(mtime_ns=1), rows)


def has_no_whole_rows(row: MinuteRow, rows: NDArray[np.void]) -> Packed:
    return packed_with(row, rows.tobytes() + b"x" * (SUMMARY.itemsize // 2))


def has_a_wrong_checksum(row: MinuteRow, rows: NDArray[np.void]) -> Packed:
    minute, packed, parts, checksum = packed_with(row, rows)
    return minute, packed, parts, checksum ^ 1


def has_another_size(row: MinuteRow, rows: NDArray[np.void]) -> Packed:
    rows["size"][0] += 1
    return packed_with(row, rows)


def has_more_events(row: MinuteRow, rows: NDArray[np.void]) -> Packed:
    rows["events"][-1] += 1
    return packed_with(row, rows)


def has_a_stream_twice(row: MinuteRow, rows: NDArray[np.void]) -> Packed:
    rows["stream"][1] = rows["stream"][0]
    return packed_with(row, rows)


def has_an_unknown_stream(row: MinuteRow, rows: NDArray[np.void]) -> Packed:
    rows["stream"][-1] = STREAMS
    return packed_with(row, rows)


def is_of_another_type(row: MinuteRow, rows: NDArray[np.void]) -> Packed:
    return row.id, pack_row(row), None, checksum_of(rows.tobytes())  # type: ignore[return-value]


WRONG = (
    is_changed,
    has_no_whole_rows,
    has_a_wrong_checksum,
    has_another_size,
    has_more_events,
    has_a_stream_twice,
    has_an_unknown_stream,
    is_of_another_type,
)


@pytest.mark.parametrize("wrong", [None, *WRONG])
@pytest.mark.parametrize("seed", range(10))
def test_many_are_what_each_is(
    seed: int, wrong: Callable[[MinuteRow, NDArray[np.void]], Packed] | None
) -> None:
    """Those that are wrong are left out, and no others."""
    chance = random.Random(seed)
    packed, known = [], {}
    spoiled = set()
    for minute in range(MINUTES):
        rows = summary(chance)
        known[minute] = row_of(minute, rows)
        if wrong is not None and len(rows) > 1 and chance.random() < 1 / 5:
            spoiled.add(minute)
            packed.append(wrong(known[minute], rows))
        else:
            packed.append(packed_with(known[minute], rows))
    found = counted_summaries(packed, known, STREAMS)
    assert found.keys() == known.keys() - spoiled
    for minute, *parts in packed:
        alone = checked(counted_summary, *parts, known[minute], STREAMS)
        assert (alone is None) == (minute in spoiled)
        if alone is not None:
            assert found[minute][0] == alone[0]
            assert found[minute][1].tolist() == alone[1].tolist()


@pytest.mark.parametrize("seed", range(10))
def test_none_is_checked_alone_if_all_are_right(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor if one is outdated."""
    chance = random.Random(seed)
    summaries = [summary(chance) for _ in range(MINUTES)]
    known = {minute: row_of(minute, rows) for minute, rows in enumerate(summaries)}
    packed = [packed_with(known[minute], rows) for minute, rows in enumerate(summaries)]
    packed[3] = is_changed(known[3], summaries[3])
    alone: list[bytes] = []
    monkeypatch.setattr("store.index.rows.summary_of", lambda data, _count: alone.append(data))
    assert len(counted_summaries(packed, known, STREAMS)) == MINUTES - 1
    assert not alone


def test_nothing_is_known_without_streams() -> None:
    """Then there are no summaries but empty ones."""
    one, none = np.array([(0, 1, 1, 1)], SUMMARY), np.zeros(0, SUMMARY)
    known = {1: row_of(1, one), 2: row_of(2, none)}
    packed = [packed_with(known[1], one), packed_with(known[2], none)]
    assert counted_summaries(packed, known, 1).keys() == {1, 2}
    assert counted_summaries(packed, known, 0).keys() == {2}
    assert counted_summaries([], known, 0) == {}
