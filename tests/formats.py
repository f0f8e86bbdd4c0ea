"""Lines of logs as a format reads them, one by one and together."""

import json
from datetime import UTC
from typing import NamedTuple

from hypothesis import strategies as st

from store import Event
from store.format.levels import LEVELS, level_of
from theiafs.formats.fields import NO_TIME, Format, Rules
from theiafs.rendering.times import time_text

RULES = Rules(UTC, 17_954_289_000_000_000)  # 2026-11-23T10:15:00Z

DEEP = 100_000
HOSTILE = [
    b"", b" ", b"x", b"{" * 1_000_000, b"[" * DEEP + b"]" * DEEP, b'{"time":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"x":' * DEEP + b"1" + b"}" * DEEP, b"9" * 1_000_000, b'{"time":' + b"9" * 1_000_000 + b"}", b'{"time":1,"x":"\xff"}',
    b'{"time":"\xed\xa0\x80"}', b'{"time":1,"x":"\0"}', b"\0" * 1000, b'{"time":1', b'{"time":1}{"time":2}', b'{"time":1}\0',
    b"null", b"1", b'"time"', b'[{"time":1}]', b'{"time":01}', b"{'time':1}", b"\xef\xbb\xbf{}", b'{"a":"\\', b'{"a":"\\ud8',
]  # fmt: skip
"""None of these is in a format."""

NAMES = [
    "timestamp", "time", "ts", "@timestamp", "t", "__REALTIME_TIMESTAMP", "source", "service", "service.name", "name", "app",
    "log", "log.logger", "logger", "tags", "id", "level", "message", "status", "req.method", "req", "method", "$date", "MESSAGE",
]  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(0, 2**64), st.floats(), st.text(max_size=5),
    st.sampled_from(["2026-11-23T10:15:00Z", "Nov 23 10:15:00", 1_700_000_000, 1_700_000_000.5, "1e999", "a\nb", "shop"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=5,
)
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=5).map(
    lambda found: json.dumps(found).encode()
)
junk = st.binary(max_size=20).map(lambda found: found.replace(b"\n", b""))
lines = st.lists(st.one_of(objects, junk, st.sampled_from(HOSTILE[9:])), max_size=5)


class Row(NamedTuple):
    """The fields of one line."""

    ticks: int
    source: str | None
    tags: tuple[str, ...]
    is_parsed: bool
    event: Event | None


def read_rows(reader: Format, drawn: list[bytes], rules: Rules = RULES) -> list[Row]:
    """Read lines; what is not in the format has no fields."""
    found = reader.read(drawn, rules)
    columns = (found.ticks.tolist(), found.sources, found.tags, found.is_parsed.tolist())
    rows = [
        Row(*fields, found.events.get(row)) for row, fields in enumerate(zip(*columns, strict=True))
    ]
    assert len(rows) == len(drawn)
    for row in rows:
        assert row.is_parsed or row == (NO_TIME, None, (), False, None)
    return rows


def shown(line: str, reader: Format, rules: Rules = RULES) -> tuple[str, str | None, str]:
    """Return the time, the source and the level of a line that is in the format."""
    (row,) = read_rows(reader, [line.encode()], rules)
    assert row.is_parsed
    time = "" if row.ticks == NO_TIME else time_text(row.ticks, 7).decode()
    return time, row.source, ("", *LEVELS)[level_of(b"", line.encode())]


def check_rows(reader: Format, drawn: list[bytes], rules: Rules) -> None:
    """Check that no line has anything to do with the others."""
    alone = [row for line in drawn for row in read_rows(reader, [line], rules)]
    assert read_rows(reader, drawn, rules) == alone
