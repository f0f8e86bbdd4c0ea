"""Contents and fields of many records, in columns, are those of each."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store.format import contents as contents_module
from store.format.contents import find_contents, find_fields
from store.format.record import encode, parse
from store.format.text import Integers
from store.ticks import TICKS_MAX, TICKS_PER_S

TAG_LISTS = [b"", b"a", b"b,a", b"level=err,web", b"a,,b", b",", b"\xff"]
TIMES = [
    b"0", b"10.0000000", b"01.0000000", b"1763800000.1234567", b"1763800000.12345678", b"922337203685.4775807",
    b" 7.5\t", b"1e3", b"000000000001.5000000", b"1.", b"9999999999999e-5",
]  # fmt: skip
CONTENTS = [
    b"", b"\n", b"\n\n", b"tags:", b"tags:x\n", b"tags:x\nmore", b"event: 1 1 0\n", b"\r\n", b"two\nlines", b"x" * 300,
    encode("in", TICKS_PER_S, "s", ["t"], b"a record")[0],
]  # fmt: skip

words = st.binary(max_size=12).map(lambda data: data.replace(b"\n", b""))
texts = st.one_of(words, st.binary(max_size=40), st.sampled_from(CONTENTS))


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Records, most of them canonical."""
    content = draw(texts)
    values = [draw(words), b" " + draw(st.sampled_from(TIMES)), draw(words)]
    names = [b"id", b"timestamp", b"source"]
    is_odd = draw(st.booleans())
    if not is_odd or draw(st.booleans()):
        names.append(b"tags")
        values.append(draw(st.sampled_from(TAG_LISTS)))
    fields = list(zip(names, values, strict=True))
    digits, newline = 1, b"\n"
    if is_odd:
        fields = draw(st.permutations(fields))
        fields = [(draw(st.sampled_from([name, name.upper()])), value) for name, value in fields]
        digits = draw(st.integers(1, 19))
        newline = draw(st.sampled_from([b"\n", b"\r\n"]))
    header = b"".join([b"%b:%b\n" % field for field in fields])
    sizes = [
        b"%0*d" % (digits, size) for size in (len(header) + len(content), len(header), len(content))
    ]
    closing = b"\n" if draw(st.booleans()) or not is_odd else b""
    return b"event: %b%b%b%b\n%b" % (b" ".join(sizes), newline, header, content, closing)


@given(st.lists(records(), max_size=8), st.binary(max_size=10))
@example([], b"")
def test_any_records(drawn: list[bytes], before: bytes) -> None:
    """Also if other bytes come first."""
    data = before + b"".join(drawn)
    sizes = [len(before), *map(len, drawn)]
    edges = np.array(list(itertools.accumulate(sizes)), np.int64)
    contents = find_contents(data, edges)
    fields = find_fields(data, edges, contents)
    expected, headers = [], []
    for each in drawn:
        record = parse(each)
        assert record is not None
        expected.append(each[record.content_start :][: record.content_size])
        headers.append(record.header)
    assert sliced(data, contents.starts, contents.ends) == expected
    assert sliced(data, fields.id_starts, fields.id_ends) == [each.id for each in headers]
    assert sliced(data, fields.source_starts, fields.source_ends) == [
        each.source for each in headers
    ]
    assert sliced(data, fields.tags_starts, fields.tags_ends) == [each.tags for each in headers]
    assert fields.ticks.tolist() == [each.ticks for each in headers]


def sliced(data: bytes, starts: Integers, ends: Integers) -> list[bytes]:
    """The bytes from each of *starts* to its end."""
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


@given(st.integers(0, TICKS_MAX))
def test_any_time(ticks: int) -> None:
    """To the tick."""
    data, _ = encode("id", ticks, "source", [], b"content")
    edges = np.array([0, len(data)])
    assert find_fields(data, edges, find_contents(data, edges)).ticks.tolist() == [ticks]


def test_a_large_content() -> None:
    """Its size has more digits than are parsed at once."""
    large = encode("id", 1, "source", ["t"], b"x" * 10_000_000)[0]
    data = large + encode("id", 1, "source", ["t"], b"small")[0]
    edges = np.array([0, len(large), len(data)])
    contents = find_contents(data, edges)
    assert (contents.ends - contents.starts).tolist() == [10_000_000, 5]


def test_canonical_records_are_not_parsed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """That would be far slower."""
    monkeypatch.delattr(contents_module, "parse_start")
    drawn = [encode(f"id{size}", size, "source", ["t"], b"x" * size)[0] for size in range(100)]
    edges = np.array(list(itertools.accumulate(map(len, drawn), initial=0)))
    data = b"".join(drawn)
    fields = find_fields(data, edges, find_contents(data, edges))
    assert fields.ticks.tolist() == list(range(100))
