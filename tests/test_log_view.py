"""The view of events as lines of a log."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store.ticks import TICKS_MAX
from tests.renderings import (
    LONG,
    check_line,
    edges_of,
    encode_record,
    log_line,
    records,
    time_shown,
    times,
    words,
)
from theiafs.rendering.log import LogView
from theiafs.rendering.times import Times, time_text

pytestmark = pytest.mark.usefixtures("few_or_many")
VIEW = LogView()
WHEN = 17_954_289_001_234_567  # 2026-11-23T10:15:00.1234567Z


def line_of(
    source: bytes = b"app", tags: bytes = b"", content: bytes = b"text", ticks: int = WHEN
) -> bytes:
    data = encode_record(ticks, b"1", source, tags, content)
    return VIEW.render(data, edges_of([data]))


@given(st.lists(records(), max_size=8))
@example([])
@example([encode_record(1, b"", b"", b"", LONG), encode_record(2, b"", b"s", b"t", b"x")] * 2)
def test_any_events(drawn: list[bytes]) -> None:
    """Each is one line, of the size that is said before it is rendered."""
    lines = [log_line(record).encode() for record in drawn]
    data, edges = b"".join(drawn), edges_of(drawn)
    assert VIEW.render(data, edges) == b"".join(lines)
    assert VIEW.sizes(data, edges).tolist() == list(map(len, lines))
    for line in lines:
        check_line(line)


@given(st.lists(records(), min_size=2, max_size=4))
def test_the_lines_do_not_depend_on_the_block(drawn: list[bytes]) -> None:
    one_by_one = [VIEW.render(record, edges_of([record])) for record in drawn]
    assert VIEW.render(b"".join(drawn), edges_of(drawn)) == b"".join(one_by_one)


def test_records_after_other_bytes() -> None:
    record = encode_record(WHEN, b"1", b"app", b"", b"text")
    edges = edges_of([record, record]) + 3
    assert VIEW.render(b"abc" + 2 * record, edges) == 2 * line_of()


def test_an_ordinary_line() -> None:
    line = line_of(b"nginx", b"web,eu", b"GET /\t200 C:\\n")
    assert line == b"2026-11-23T10:15:00.123456Z nginx [web,eu] GET /\t200 C:\\n\n"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"one\ntwo\r\n", r"one\ntwo\r\n"),
        (b"\x1b[31mred\x07\x00\x7f", r"\x1b[31mred\x07\x00\x7f"),
        ("\u009b31m\u0085".encode(), r"\xc2\x9b31m\xc2\x85"),
        ("a\u2028b\u202ec".encode(), r"a\xe2\x80\xa8b\xe2\x80\xaec"),
        (b"caf\xe9 \x9b", r"caf\xe9 \x9b"),
        ("café 日本".encode(), "café 日本"),
        (b"", ""),
    ],
)
def test_contents(content: bytes, text: str) -> None:
    assert line_of(content=content) == f"2026-11-23T10:15:00.123456Z app [] {text}\n".encode()


@given(words, words.map(lambda tag: tag.replace(b",", b"")), st.sampled_from([b"", b"[x] text"]))
def test_source_and_tags_do_not_move_the_content(source: bytes, tag: bytes, content: bytes) -> None:
    """It follows the third space, whatever they hold."""
    line = check_line(line_of(source, tag, content))
    assert len(line.split(" ", 3)) == 4
    assert line.split(" ", 3)[3].encode() == content


def test_a_source_that_looks_like_tags_and_content() -> None:
    assert (
        line_of(b"db [money] paid", b"a b")
        == rb"2026-11-23T10:15:00.123456Z db\x20[money]\x20paid [a\x20b] text" + b"\n"
    )


def test_a_source_that_is_empty() -> None:
    assert line_of(b"").split(b" ")[1:3] == [b"-", b"[]"]


@given(st.lists(times, max_size=20), st.sampled_from([6, 7]))
@example([0, 253_402_300_799 * 10**7 + 9_999_999, 253_402_300_800 * 10**7, TICKS_MAX], 6)
def test_times(ticks: list[int], decimals: int) -> None:
    """Whatever their days; cut, and never beyond four digits of the year."""
    texts = [bytes(text).decode() for text in Times.at(np.array(ticks, np.int64)).texts(decimals)]
    assert texts == [time_shown(each, decimals) for each in ticks]
    assert texts == [time_text(each, decimals).decode() for each in ticks]
    assert sorted(texts) == [time_shown(each, decimals) for each in sorted(ticks)]


def test_ordinary_events_are_not_rendered_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And their sizes need no rendering at all."""
    monkeypatch.setattr("theiafs.rendering.log.escape", None)
    monkeypatch.setattr("theiafs.rendering.log.escape_word", None)
    drawn = [
        encode_record(WHEN, b"%d" % number, b"app", b"a,b", b"\tx" * number)
        for number in range(200)
    ]
    data, edges = b"".join(drawn), edges_of(drawn)
    rendered = VIEW.render(data, edges)
    monkeypatch.setattr("theiafs.rendering.log.join", None)
    assert VIEW.sizes(data, edges).sum() == len(rendered)
