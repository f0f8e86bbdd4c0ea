"""Canonical records, found in columns: their parts are those of each, and nothing else is taken for one."""

import contextlib
import itertools
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store.format.canonical import CanonicalRecords, find_canonical
from store.format.contents import NOT_RECORDS
from store.format.record import parse
from store.format.text import Text
from store.ticks import TICKS_PER_S
from tests.renderings import edges_of, encode_record, records

NOW = 17_954_289_001_234_567
ORDINARY = re.compile(
    rb"event: \d+ (0|[1-9]\d{0,3}) (0|[1-9]\d{0,3})\n"
    rb"id:[^\n]*\ntimestamp: \d{10}\.\d{7}\nsource:[^\n]*\ntags:[^\n]*\n"
)
"""The start of those that are found in columns."""

words = st.binary(max_size=9).map(lambda data: data.replace(b"\n", b""))
canonical = st.builds(
    encode_record,
    st.integers(10**9 * TICKS_PER_S, 10**10 * TICKS_PER_S - 1),
    words,
    words,
    words,
    st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"\n", b"\n\n", b"x" * 1000])),
)
SMALL = encode_record(NOW, b"1", b"s", b"t", b"")
ALMOST = [
    SMALL.replace(*change)
    for change in (
        (b"tags", b"TAGS"), (b"id", b"ID"), (b"source", b"Source"), (b"timestamp", b"Timestamp"), (b" 1795428900.", b" 179542890.0"),
        (b"4567", b"456 "), (b"51 0\n", b"51 00\n"), (b"51 0\n", b"051 0\n"), (b"51 0", b"51 0\r"),
        (b"51 51 0", b"51 44 7"), (b"51 51 0\n", b"52 51 1\n"), (b"\n\n\n", b"\n\n"),
    )
]  # fmt: skip
ALMOST.append(b"event: 51 51 0\ntags:t\ntimestamp: 1795428900.1234567\nsource:s\nid:1\n\n\n")


def is_ordinary(record: bytes) -> bool:
    """Return whether a *record* is found in columns."""
    parsed, start = parse(record), ORDINARY.match(record)
    assert parsed is not None
    is_spelled = start is not None and start.end() == parsed.content_start
    return is_spelled and record[parsed.content_start + parsed.content_size :] == b"\n\n"


def parts(data: bytes, found: CanonicalRecords, place: int) -> tuple[bytes, ...]:
    """Return what was found of a record: its id, source, tags, content and time."""
    bounds = zip(
        (found.id_starts, found.source_starts, found.tags_starts, found.contents.starts),
        (found.id_ends, found.source_ends, found.tags_ends, found.contents.ends),
        strict=True,
    )
    fields = [data[starts[place] : ends[place]] for starts, ends in bounds]
    return (*fields, b"%d.%b" % (found.seconds[place], bytes(found.decimals[place])))


def parts_of(record: bytes) -> tuple[bytes, ...]:
    parsed = parse(record)
    assert parsed is not None
    assert parsed.size == len(record)
    header, content = parsed.header, record[parsed.content_start :][: parsed.content_size]
    return header.id, header.source, header.tags, content, b"%d.%07d" % divmod(header.ticks, 10**7)


@given(st.lists(st.one_of(records(), canonical), max_size=8), st.binary(max_size=9))
@example([], b"")
@example([encode_record(NOW, b"1", b"s", b"t", b"x\n"), SMALL] * 2, b"")
def test_any_records(drawn: list[bytes], before: bytes) -> None:
    """All ordinary ones are found, also if other bytes come first."""
    data = before + b"".join(drawn)
    edges = np.array(list(itertools.accumulate(map(len, drawn), initial=len(before))))
    found = find_canonical(Text(data), edges)
    rows = [row for row, record in enumerate(drawn) if is_ordinary(record)]
    assert found.rows.tolist() == rows
    for place, row in enumerate(rows):
        assert parts(data, found, place) == parts_of(drawn[row])


@pytest.mark.parametrize("almost", ALMOST)
@pytest.mark.parametrize("around", [[], [SMALL]])
def test_what_is_almost_canonical(almost: bytes, around: list[bytes]) -> None:
    """It is not taken for one, and changes nothing of those around it."""
    drawn = [*around, almost, *around]
    assert almost != SMALL
    found = find_canonical(Text(b"".join(drawn)), edges_of(drawn))
    assert [drawn[row] for row in found.rows] == 2 * around


@given(st.lists(canonical, min_size=1, max_size=4), st.data())
def test_edges_that_are_wrong(drawn: list[bytes], data: st.DataObject) -> None:
    """All that is found is the end of a line that opens a record, with its header, or the bytes are refused."""
    text = b"".join(drawn)
    places = st.lists(st.integers(0, len(text)), min_size=2, max_size=5, unique=True).map(sorted)
    edges = data.draw(places)
    with contextlib.suppress(*NOT_RECORDS):
        found = find_canonical(Text(text), np.array(edges))
        for place, row in enumerate(found.rows.tolist()):
            opening, newline, rest = text[edges[row] : edges[row + 1]].partition(b"\n")
            header, content = opening.split(b" ")[-2:]
            whole = b"event: %d %b %b" % (int(header) + int(content), header, content)
            assert parts(text, found, place) == parts_of(whole + newline + rest)


def test_large_ones_are_left_out() -> None:
    drawn = [encode_record(NOW, b"1", b"s", b"t", b"x" * size) for size in (9_999, 10_000, 9_999)]
    assert find_canonical(Text(b"".join(drawn)), edges_of(drawn)).rows.tolist() == [0, 2]
