"""The formats of files, found out from their first contents."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Event, EventSerializer
from tests.formats import HOSTILE, RULES, lines
from theiafs.formats.fields import NO_TIME
from theiafs.formats.plain import Plain
from theiafs.formats.table import FORMATS
from theiafs.importing.detection import SAMPLE, begins_with_record, detect

ISO = "2026-11-23T10:15:00"
JOURNAL = {"__REALTIME_TIMESTAMP": "1795428900000000", "MESSAGE": "x", "PRIORITY": "6"}
OF_FORMATS = {
    "jsonl": [
        '{"level":30,"time":1795428900000,"pid":1,"hostname":"web","msg":"up"}',
        '{"level":"info","ts":1795428900.5,"logger":"db","msg":"x"}',
        '{"log":"x\\n","stream":"stdout","time":"2026-11-23T10:15:00.123456789Z"}',
        '{\n  "time": "2026-11-23T10:15:00Z",\n  "message": "in several lines"\n}',
        '{"message":"without a time"}',
    ],
    "journal": [json.dumps(JOURNAL), json.dumps(JOURNAL | {"MESSAGE": [104, 105]})],
    "combined": [
        '203.0.113.7 - - [23/Nov/2026:10:15:00 +0000] "GET / HTTP/1.1" 200 12',
        '203.0.113.7 - ada [23/Nov/2026:10:15:00 +0000] "GET / HTTP/1.1" 500 12 "-" "curl/8"',
        'www.example.org:443 ::1 - - [23/Nov/2026:10:15:00 +0000] "-" 408 0 "-" "-"',
    ],
    "syslog": [
        "Nov 23 10:15:00 web sshd[1]: Accepted publickey",
        "Nov  3 10:15:00 web kernel: [    0.0] up",
        "<34>Nov 23 10:15:00 web su: failed",
        "<165>1 2026-11-23T10:15:00.003Z web app 1 ID47 - x",
        f"{ISO}.123456+01:00 web cron[5]: (root) CMD (x)",
    ],
    "logfmt": [
        f'ts={ISO}Z level=info msg="x y"',
        "level=warn component=db duration=5ms",
        f"time={ISO}Z level=INFO msg=x",
    ],
    "dated": [
        "2026-11-23 10:15:00,123 - INFO  [main:Server@1] - started",
        "[Sun Dec 04 04:47:44 2005] [notice] ready",
        "[Mon Nov 23 10:15:00.123456 2026] [core:error] [pid 1] AH00037: x",
        "2026/11/23 10:15:00 [error] 1#1: *1 connect() failed",
        "17/06/09 20:10:40 INFO executor.Backend: registered",
        "081109 203615 148 INFO dfs.DataNode: block",
        "1795428900.123 started",
        f"{ISO}.123456Z  INFO server: listening",
        f"{ISO}Z stdout F a line of a container",
        f"{ISO}.123456Z /usr/bin/app [web] a line of events.log",
        "I1123 10:15:00.123456   12345 main.go:12] started",
        f"{ISO}Z ERROR failed\njava.lang.Error: x\n\tat a.b(C.java:1)",
    ],
}  # fmt: skip
NONE = ["just text", "disk is full", "[Note] nothing", "", "a,b,c", "1.5 2.5", "\xff\xfe"]


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, some in OF_FORMATS.items() for line in some]
)
@pytest.mark.parametrize("count", [1, 20])
def test_formats(name: str, line: str, count: int) -> None:
    """Each is found out by its own lines alone."""
    found = detect([line.encode()] * count, RULES)
    assert found is not None
    assert found == (FORMATS[name], count, count)


@pytest.mark.parametrize("name", OF_FORMATS)
def test_half_of_the_contents(name: str) -> None:
    """A format is that of a file if at least half of its contents are in it."""
    line, text = OF_FORMATS[name][0].encode(), b"just text"
    assert detect([line, text, text, line], RULES) == (FORMATS[name], 2, 4)
    assert detect([line, text, text, text, line], RULES) is None


@pytest.mark.parametrize("line", NONE)
def test_text(line: str) -> None:
    """It is in no format."""
    assert detect([line.encode("latin-1")] * 3, RULES) is None


def test_nothing() -> None:
    """An empty file has no format."""
    assert detect([], RULES) is None


def test_only_the_first_contents_count() -> None:
    """Those after them are not read."""
    line = OF_FORMATS["dated"][0].encode()
    found = detect([line] * SAMPLE + [b"text"] * 10_000, RULES)
    assert found == (FORMATS["dated"], SAMPLE, SAMPLE)


@given(lines)
def test_any_lines(drawn: list[bytes]) -> None:
    """The format that is found out has as many of them as it says, and no other has more."""
    found = detect(drawn, RULES)
    counts = {
        name: int(each.read(drawn, RULES).is_parsed.sum())
        for name, each in FORMATS.items()
        if name != "lines"
    }
    best = max(counts.values())
    if found is None:
        assert not drawn or best < len(drawn) / 2
    else:
        assert (counts[found.format.name], found.parsed, found.of) == (best, best, len(drawn))


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_lines(line: bytes) -> None:
    """They are in no format."""
    assert detect([line] * 3, RULES) is None


def test_records() -> None:
    """A minute file begins with one, and so does what ``events`` answers."""
    record = EventSerializer().serialize(Event("id", "app", 10.0, ["x"], "text"))
    assert begins_with_record(record)
    for text in (b"", b"event: 1 2\n", b"event: a b c\n", b"\n" + record, b"x" + record):
        assert not begins_with_record(text)


@given(st.lists(st.binary()))
def test_lines_have_no_fields(drawn: list[bytes]) -> None:
    """In the format ``lines``, whatever they look like."""
    fields = Plain().read([*drawn, *map(str.encode, OF_FORMATS["syslog"])], RULES)
    assert (fields.ticks == NO_TIME).all()
    assert fields.is_parsed.all()
    assert (set(fields.sources), set(fields.tags), fields.events) == ({None}, {()}, {})
    assert {len(column) for column in fields[:4]} == {len(drawn) + len(OF_FORMATS["syslog"])}
