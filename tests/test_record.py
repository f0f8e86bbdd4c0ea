"""Finding events in bytes, whole or damaged."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import MalformedEvent
from store.format.record import Record, check_header_start, encode, parse
from store.format.scan import Block, Damage, Read, scan, scan_blocks
from store.ticks import TICKS_PER_S

Found = Block | Record | Damage
contents = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["", "\n", "event: 1 1 0\n", "\nevent: 40 40 0\nid:fake\n", "a\n\nb\n"]
)


def record(number: int, content: str = "content") -> bytes:
    ticks = (10 + number) * TICKS_PER_S
    return encode(f"id{number}", ticks, "source", ["t"], content.encode())[0]


def reader(data: bytes, size_max: int = 1 << 30) -> Read:
    return lambda offset, size: data[offset : offset + min(size, size_max)]


def found_in(data: bytes, size_max: int = 1 << 30) -> list[Record | Damage]:
    return list(scan(reader(data, size_max), len(data)))


def found_ids(data: bytes) -> list[bytes]:
    return [each.header.id for each in found_in(data) if isinstance(each, Record)]


@given(st.lists(contents, max_size=8))
def test_whole_events_are_found(texts: list[str]) -> None:
    """Each with its size, whatever its content looks like."""
    records = [record(number, text) for number, text in enumerate(texts)]
    assert [each.size for each in found_in(b"".join(records))] == list(map(len, records))
    assert found_ids(b"".join(records)) == [b"id%d" % number for number in range(len(texts))]


@given(
    st.lists(contents, min_size=1, max_size=5),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=3),
    st.floats(0, 1),
    st.integers(1, 100),
)
def test_any_damage(
    texts: list[str], flips: list[tuple[float, int]], cut: float, size_max: int
) -> None:
    """Sizes add up, the sizes of reads do not matter, and every event that the damage does not touch is found."""
    records = [record(number, text) for number, text in enumerate(texts)]
    data = bytearray(b"".join(records))
    touched = set()
    for place, change in flips:
        data[int(place * len(data))] ^= change
        touched.add(int(place * len(data)))
    kept = int(cut * len(data))
    damaged = bytes(data[:kept])
    found = found_in(damaged)
    assert sum(each.size for each in found) == kept
    again = found_in(damaged, size_max)
    assert [(type(each), each.size) for each in again] == [
        (type(each), each.size) for each in found
    ]
    position, starts = 0, set()
    for each in found:
        if isinstance(each, Record):
            starts.add(position)
        position += each.size
    position = 0
    for whole in records:
        begin, position = position, position + len(whole)
        # An event before that lies about its size may swallow this one: only if its first line is damaged.
        is_whole = position <= kept and touched.isdisjoint(range(begin, position))
        if is_whole and touched.isdisjoint(range(begin)):
            assert begin in starts


@given(st.integers(0, 1000), st.integers(1, 255))
def test_one_flipped_byte_costs_one_event(place: int, change: int) -> None:
    """At most the one that has the byte, wherever it is in the file."""
    data = bytearray(b"".join(record(number) for number in range(6)))
    place %= len(data)
    data[place] ^= change
    hit = b"id%d" % (place // len(record(0)))
    assert set(found_ids(bytes(data))) >= {b"id%d" % number for number in range(6)} - {hit}


def test_damage_says_where_and_what() -> None:
    """Before, between and after events."""
    data = b"junk\n" + record(0) + b"more junk\nin lines\n" + record(1) + record(2)[:-9]
    found = found_in(data)
    assert [type(each) for each in found] == [Damage, Record, Damage, Record, Damage]
    assert [each.size for each in found] == [
        5,
        len(record(0)),
        19,
        len(record(1)),
        len(record(2)) - 9,
    ]
    assert "junk" in found[0].reason  # type: ignore[union-attr]
    assert "cut short" in found[4].reason  # type: ignore[union-attr]


def test_a_wrong_size_costs_one_event() -> None:
    """An event whose sizes reach beyond the end is skipped, and the next one found."""
    lying = record(0).replace(b"event: ", b"event: 9", 1)
    assert found_ids(lying + record(1)) == [b"id1"]
    huge = b"event: 9000000000000000000 8999999999999999999 1\n"
    assert found_ids(huge + record(1)) == [b"id1"]


def test_damage_may_be_larger_than_the_window() -> None:
    """However large it is, and wherever the next event begins."""
    for size in ((1 << 20) - 7, (1 << 20) - 1, 1 << 20, (3 << 20) + 1):
        assert found_ids(b"x" * size + b"\n" + record(1)) == [b"id1"]
        assert found_ids(record(0) + b"y" * size) == [b"id0"]


def test_a_scan_may_begin_in_the_middle() -> None:
    """At the start of a record."""
    data = record(0) + record(1)
    found = list(scan(reader(data), len(data), len(record(0))))
    assert [each.size for each in found] == [len(record(1))]


def test_a_file_that_shrinks_while_it_is_read() -> None:
    """It ends the scan, which would otherwise never end."""
    data = record(0) + record(1)
    found = list(scan(reader(data), len(data) + 100))
    assert sum(each.size for each in found) == len(data) + 100
    assert isinstance(found[0], Record)


def test_a_stream_needs_more() -> None:
    """A record that is not complete yet is neither an event nor damage."""
    data = record(0)
    for length in range(len(data) - 1):
        assert parse(data[:length]) is None
    parsed = parse(data)
    assert parsed is not None
    assert parsed.size == len(data)
    with pytest.raises(MalformedEvent):
        parse(b"x" * 100)


class CountingReader:
    """Reads bytes as if they were a file, and counts what is read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.total = 0
        self.largest = 0

    def read(self, offset: int, size: int) -> bytes:
        data = self.data[offset : offset + size]
        self.total += len(data)
        self.largest = max(self.largest, len(data))
        return data


@pytest.mark.parametrize("part", ["header", "content"])
@pytest.mark.parametrize("scanned", [scan, scan_blocks])
def test_a_wrong_size_is_not_read(
    scanned: Callable[[Read, int], Iterator[Found]], part: str
) -> None:
    """However far it reaches into the file, the file is read once, by at most a window at a time."""
    good = record(0)
    content = len("content")
    header = good.index(b"content") - good.index(b"id:")
    too_large = 9_000_000
    if part == "header":
        wrong = (too_large + content, too_large, content)
    else:
        wrong = (header + too_large, header, too_large)
    damaged = good.replace(b"%d %d %d" % (header + content, header, content), b"%d %d %d" % wrong)
    others = b"".join(record(number, "x" * 1000) for number in range(1, 12_000))
    file = CountingReader(damaged + others)
    sizes = [each.size for each in scanned(file.read, len(file.data))]
    assert sizes[0] == len(damaged)
    assert sum(sizes) == len(file.data)
    assert file.largest <= 1 << 20
    assert file.total < 1.1 * len(file.data)


def test_large_contents_are_not_read() -> None:
    """Two bytes after each of them say whether its record is whole."""
    file = CountingReader(b"".join(record(number, "x" * (8 << 20)) for number in range(4)))
    found = list(scan(file.read, len(file.data)))
    assert [each.size for each in found] == [len(file.data) // 4] * 4
    assert file.total < len(file.data) // 4


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.integers(0, 400)), max_size=12),
    st.sampled_from(["", "Source:s\nid:odd\ntimestamp: 1\n", "damage\n"]),
)
def test_blocks_are_as_records_one_by_one(parts: list[tuple[bool, int, int]], odd: str) -> None:
    """The same records and the same damage, wherever one way of parsing takes over from the other."""
    data = b""
    for is_odd, size, count in parts:
        if is_odd and odd.startswith("damage"):
            data += odd.encode() * count
        elif is_odd:
            data += b"event: %d %d 0\n%b\n\n" % (len(odd), len(odd), odd.encode()) * count
        else:
            data += b"".join(record(number, "x" * 30 * size) for number in range(count))
    expected = [(type(each), each.size) for each in found_in(data)]
    found: list[tuple[type, int]] = []
    for each in scan_blocks(reader(data), len(data)):
        if isinstance(each, Block):
            assert each.data[each.records.id_starts[0] :].startswith(b"id")
            starts, ends = each.records.starts.tolist(), each.records.ends.tolist()
            assert starts == [0, *ends[:-1]]
            found += [(Record, end - start) for start, end in zip(starts, ends, strict=True)]
        else:
            found.append((type(each), each.size))
    assert found == expected


def test_alternating_ways_of_parsing_do_not_multiply_the_reading() -> None:
    """A file in which few canonical records follow few others is read a small number of times at most."""
    odd = b"Source:s\nid:odd\ntimestamp: 1\n"
    odd_record = b"event: %d %d 0\n%b\n\n" % (len(odd), len(odd), odd)
    file = CountingReader((odd_record * 64 + record(1) * 64) * 500)
    assert sum(each.size for each in scan_blocks(file.read, len(file.data))) == len(file.data)
    assert file.total < 6 * len(file.data)


@pytest.mark.parametrize("count", [1_000, 20_000])
def test_contents_that_hold_records_do_not_multiply_the_reading(count: int) -> None:
    """However many events of one record in a block follow each other, they are read a small number of times at most."""
    file = CountingReader(record(1, "a line\n" + record(2).decode()) * count)
    one_by_one = [each.size for each in scan(file.read, len(file.data))]
    assert one_by_one == [len(file.data) // count] * count
    file.total = 0
    sizes = [each.size for each in scan_blocks(file.read, len(file.data))]
    assert sum(sizes) == len(file.data)
    assert all(size % one_by_one[0] == 0 for size in sizes)
    assert file.total < 6 * len(file.data)


def test_the_start_of_a_header() -> None:
    """Any part of a header may be one, and nothing else."""
    header = b"id:a\ntimestamp: 1.0000000\nsource:s\ntags:x,y\n"
    for length in range(len(header) + 1):
        check_header_start(header[:length])
        check_header_start(header[:length].upper())
    for wrong in (b"x", b"ids", b"i d:", b"id:a\nid:", b"id:a\nx", header + b"x", header + b"\n"):
        with pytest.raises(MalformedEvent):
            check_header_start(wrong)


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        (b"1763999999.9999999", 17639999999999999), (b"0.0000001", 1), (b"00001.5", 15_000_000), (b"1", 10**7), (b"1.", 10**7),
        (b" 1.5 ", 15_000_000), (b"1e5", 10**12), (b"1.5E+1", 15 * 10**7), (b"15e-1", 15_000_000), (b"1e-300", 0),
        (b"1763999999.99999994999999999999999999999999999999", 17639999999999999),
        (b"1763999999.99999995", 17640000000000000), (b"922337203685.4775807", (1 << 63) - 1),
        (b"922337203685.47758074999", (1 << 63) - 1), (b"922337203685.4775808", None), (b"922337203685.47758075", None),
        (b"999999999999.9999999", None), (b"1000000000000.0000000", None), (b"1e9999", None), (b"-1.0000000", None),
        (b"-0.0", None), (b"+1", None), (b"nan", None), (b"inf", None), (b"1_0", None), (b"", None), (b".5", None),
        (b"1" + b"0" * 400, None), (b"\xd9\xa1", None),
    ],
)  # fmt: skip
def test_times_are_read_exactly(text: bytes, ticks: int | None) -> None:
    """To the nearest tick, whatever the number of decimals; a time that is none is damage."""
    header = b"id:a\ntimestamp:%b\nsource:s\ntags:\n" % text
    data = b"event: %d %d 0\n%b\n\n" % (len(header), len(header), header)
    spaced = data.replace(b"timestamp:", b"timestamp: ").replace(
        b"event: %d %d" % (len(header), len(header)),
        b"event: %d %d" % (len(header) + 1, len(header) + 1),
    )
    for each in (data, spaced):
        if ticks is None:
            with pytest.raises(MalformedEvent):
                parse(each)
        else:
            parsed = parse(each)
            assert parsed is not None
            assert parsed.header.ticks == ticks
