"""Records in pieces, as an import reads them: those that a scan finds, however the bytes are cut."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Event
from store.format.event import decode_event, encode_event
from store.format.record import Record
from store.format.scan import scan
from theiafs.importing.records import Damage, read_records

ODD = b"event: 43 42 1\nid:y\nsource:s\ntimestamp: 10.50\ntags: a,,b\n\nz\n"
"""Its fields are in another order, its time has few decimals, and a tag is empty."""
CONTENTS = st.binary(max_size=30) | st.just(b"event: 1 2 3\n") | st.just(b"x\n\nevent: 3")


def record_of(number: int, content: bytes) -> bytes:
    text = content.decode("utf-8", "surrogateescape")
    return encode_event(Event(f"id-{number}", "s", None, ["t"], text, ticks=number))[0]


def odd_record(_number: int, _content: bytes) -> bytes:
    return ODD + b"\n"


def unclosed_record(number: int, content: bytes) -> bytes:
    return record_of(number, content)[:-1]


def damage(_number: int, content: bytes) -> bytes:
    return content


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cut data into pieces of these sizes, and the rest."""
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def scanned(data: bytes) -> tuple[list[Event], int]:
    """The events that a scan of all bytes finds, and the size of the damage."""
    events, damaged_size, position = [], 0, 0
    for found in scan(lambda offset, size: data[offset : offset + size], len(data)):
        if isinstance(found, Record):
            events.append(decode_event(data, found, position))
        else:
            damaged_size += found.size
        position += found.size
    return events, damaged_size


def read(pieces: Iterator[bytes]) -> tuple[list[Event], int]:
    """The events that an import reads, and the size of the damage."""
    events: list[Event] = []
    damaged_size = 0
    for found in read_records(pieces):
        if isinstance(found, Damage):
            damaged_size += found.size
            continue
        some = list(found.events())
        assert [str(event.id).encode() for event in some] == found.ids
        assert [event.ticks for event in some] == found.block.ticks.tolist()
        events += some
    return events, damaged_size


PARTS = st.lists(
    st.tuples(CONTENTS, st.sampled_from(["record", "record", "odd", "unclosed", "damage"])),
    max_size=12,
)


@given(PARTS, st.lists(st.integers(1, 150), max_size=20))
def test_records_in_pieces_are_those_of_a_scan(
    parts: list[tuple[bytes, str]], sizes: list[int]
) -> None:
    texts = {
        "record": record_of,
        "odd": odd_record,
        "unclosed": unclosed_record,
        "damage": damage,
    }
    data = b"".join(texts[kind](number, content) for number, (content, kind) in enumerate(parts))
    assert read(cut(data, sizes)) == scanned(data)


@pytest.mark.parametrize("count", [1, 200, 3000])
def test_many_records_are_read_in_blocks(count: int) -> None:
    """Not one by one, but for those at the edges of pieces."""
    data = b"".join(record_of(number, b"content") for number in range(count))
    half = len(data) // 2
    found = list(read_records([data[:half], data[half:]]))
    assert len(found) <= 4
    assert read(iter([data])) == scanned(data)


@given(st.lists(st.booleans(), min_size=10, max_size=10))
def test_runs_of_records_are_those_that_are_chosen(flags: list[bool]) -> None:
    """Together if they follow each other."""
    data = b"".join(record_of(number, b"content") for number in range(10))
    found = next(read_records([data]))
    assert not isinstance(found, Damage)
    runs = list(found.runs(np.array(flags)))
    wanted = [b"id-%d" % number for number, is_chosen in enumerate(flags) if is_chosen]
    assert [each for run in runs for each in run.ids] == wanted
    assert len(runs) == sum(last and not before for before, last in pairwise([False, *flags]))
