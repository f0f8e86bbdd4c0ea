"""Lines of logfmt."""

import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.formats import HOSTILE, RULES, check_rows, junk, read_rows, shown
from theiafs.formats.fields import NO_TIME
from theiafs.formats.logfmt import Logfmt

LOGFMT = Logfmt()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'time="2015-03-26T01:27:38-04:00" level=debug msg="Started observing beach" animal=walrus number=8',
            ("2015-03-26T05:27:38.0000000Z", None, "debug"),
        ),
        (
            "ts=2018-02-23T13:44:02.494497244Z caller=main.go:225 level=info component=web msg=\"Start listening\" address=0.0.0.0:9090",
            ("2018-02-23T13:44:02.4944972Z", "web", "info"),
        ),
        (
            'logger=ngalert.scheduler t=2023-06-16T14:10:55.123456789+02:00 level=error msg="Failed to evaluate rule" error="x=1"',
            ("2023-06-16T12:10:55.1234567Z", "ngalert.scheduler", "err"),
        ),
        (
            "at=info method=GET path=/ host=example.org request_id=8601b555 fwd=\"204.204.204.204\" dyno=web.1 status=200",
            ("", None, ""),
        ),
        (
            "time=2022-11-08T15:28:26.000-05:00 level=WARN msg=hello count=3 app=\"my app\"",
            ("2022-11-08T20:28:26.0000000Z", "my app", "warning"),
        ),
        ("ts=1700000000.1234567 name=x", ("2023-11-14T22:13:20.1234567Z", "x", "")),
        ('service.name="a\\"b" timestamp="2026-11-23 10:15:00,5"', ("2026-11-23T10:15:00.5000000Z", 'a"b', "")),
    ],
)  # fmt: skip
def test_loggers(line: str, expected: tuple[str, str | None, str]) -> None:
    assert shown(line, LOGFMT) == expected


@pytest.mark.parametrize(
    ("line", "time", "source"),
    [
        # Within quotes is no field, and neither is the end of a longer name.
        ('msg="a ts=1 b" x=" app=c"', NO_TIME, None),
        (r'msg="a \" ts=1 app=c"', NO_TIME, None),
        (r'msg="a \\" ts=1700000000 app=c', 17 * 10**15, "c"),
        ('msg="not closed ts=1 app=c', NO_TIME, None),
        ('msg=a" ts=1 app=c', NO_TIME, None),
        ("starts=1 my.app=c xts=1 tsx=1", NO_TIME, None),
        ("a.ts=1 ts =1 ts: 1", NO_TIME, None),
        # The first that is one counts, and the last of equals.
        ("at=info time=soon timestamp=1700000000", 17 * 10**15, None),
        ("ts=1 ts=1700000000", 17 * 10**15, None),
        ("x= ts=1700000000 app= name=y", 17 * 10**15, "y"),
        ("a=b\tts=1700000000  \t app=x   ", 17 * 10**15, "x"),
        ("a=b words ==x ts=1700000000 app==c", 17 * 10**15, "=c"),
        (r'a=b app="tab\there" name="x\q"', NO_TIME, r'"x\q"'),
        (r'app="not closed', NO_TIME, "not closed"),
        ('app="a"b"c d"', NO_TIME, 'a"b"c d'),
    ],
)
def test_fields(line: str, time: int, source: str | None) -> None:
    (row,) = read_rows(LOGFMT, [line.encode()])
    assert (row.ticks, row.source, row.is_parsed) == (time, source, True)


@pytest.mark.parametrize("line", ["words ts=1", "=x", '"a"=1', 'a"b=1', "a b", "[ts=1", ""])
def test_the_first_word_is_a_field(line: str) -> None:
    is_parsed = line.startswith("[ts=")  # any name will do
    assert read_rows(LOGFMT, [line.encode()])[0].is_parsed is is_parsed


def test_times_without_an_offset_are_of_the_zone() -> None:
    rules = RULES._replace(zone=ZoneInfo("Europe/Berlin"))
    assert shown('t="2026-07-01 12:00:00"', LOGFMT, rules)[0] == "2026-07-01T10:00:00.0000000Z"


def test_keys_become_tags() -> None:
    rules = RULES._replace(keys=("status", "path", "a.b", "größe"))
    line = 'ts=1 status=500 path="/a b,c" größe=\xff a.b='.encode("latin-1")
    line = line.replace("größe".encode("latin-1"), "größe".encode())
    (row,) = read_rows(LOGFMT, [line], rules)
    assert row.tags == ("status=500", "path=/a b%2Cc", "größe=\udcff")


words = st.text('ab="\\ \tts.', max_size=6)
pairs = st.tuples(st.sampled_from(["ts", "t", "app", "name", "a", "xts"]), words).map(
    lambda pair: f"{pair[0]}={json.dumps(pair[1])}".encode()
)
texts = st.lists(st.one_of(pairs, junk, words.map(str.encode)), max_size=6).map(b" ".join)


@given(st.lists(texts, max_size=5))
@example([b'a="' + b"\\" * 101, b"a=" + b'"' * 101, b"a=\\"])
def test_any_lines(drawn: list[bytes]) -> None:
    check_rows(LOGFMT, drawn, RULES._replace(keys=("a", "name", "ts")))


@given(st.lists(st.tuples(st.sampled_from(["app", "a", "b"]), words), min_size=1, max_size=5))
def test_values_are_those_that_were_quoted(drawn: list[tuple[str, str]]) -> None:
    """By strconv.Quote of Go, and for such texts by JSON too."""
    line = " ".join(f"{name}={json.dumps(value)}" for name, value in drawn)
    (row,) = read_rows(LOGFMT, [line.encode()], RULES._replace(keys=("app", "a", "b")))
    last = dict(drawn)
    unescaped = dict(tag.split("=", 1) for tag in row.tags)
    assert unescaped == {name: value.replace("\t", "%09") for name, value in last.items() if value}


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:20]))
def test_hostile_lines_are_not_in_the_format(line: bytes) -> None:
    good = b"ts=1700000000 app=x"
    before, found, after = read_rows(LOGFMT, [good, line, good])
    assert before == after == (17 * 10**15, "x", (), True, None)
    assert not found.is_parsed


@pytest.mark.parametrize(
    "line",
    [b"a=" + b'"' * 1_000_001, b"a=" + b"\\" * 1_000_000, b'a="' + b'\\"' * 500_000, b"a= " + b"t" * 1_000_000,
     b"t=x " * 250_000, b"a=" + b" ts" * 300_000, b"t" * 500_000 + b"=" * 500_000, b"a=" + b' "' * 500_000, b"a=" + b" " * 1_000_000,
     b"ts=" + b"9" * 1_000_000, b"app=" + b"x" * 1_000_000],
    ids=lambda line: repr(line[:20]),
)  # fmt: skip
def test_long_lines_are_read_in_one_pass(line: bytes) -> None:
    """They are in the format, and say nothing."""
    (row,) = read_rows(LOGFMT, [line])
    assert row == (NO_TIME, None, (), True, None)
