"""The view of events as lines of JSON."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.renderings import (
    HOSTILE,
    LONG,
    check_line,
    edges_of,
    encode_record,
    is_utf8,
    json_line,
    json_object,
    records,
)
from theiafs.rendering.jsonl import JsonlView

pytestmark = pytest.mark.usefixtures("few_or_many")
VIEW = JsonlView()
WHEN = 17_954_289_001_234_567  # 2026-11-23T10:15:00.1234567Z


def line_of(
    event_id: bytes = b"1", source: bytes = b"app", tags: bytes = b"", content: bytes = b"text"
) -> bytes:
    data = encode_record(WHEN, event_id, source, tags, content)
    return VIEW.render(data, edges_of([data]))


@given(st.lists(records(), max_size=8))
@example([])
@example([encode_record(1, b"", b"", b"", LONG), encode_record(2, b"", b"s", b"t", b"x")] * 2)
@example([encode_record(1, b"i", b"s", b"a,b", hostile) for hostile in HOSTILE])
@example([encode_record(1, b"i", b'q"\\', b'"a\t,\\,c', b'{"k":"\\n\t"}')] * 2)
def test_any_events(drawn: list[bytes]) -> None:
    """Each is one line, of the size that is said before it is rendered, and holds all of the event."""
    lines = [json_line(record).encode() for record in drawn]
    data, edges = b"".join(drawn), edges_of(drawn)
    rendered = VIEW.render(data, edges)
    assert rendered == b"".join(lines)
    assert VIEW.sizes(data, edges).tolist() == list(map(len, lines))
    for record, line in zip(drawn, rendered.split(b"\n")[:-1], strict=True):
        text = check_line(line + b"\n")
        assert "\t" not in text
        assert json.loads(text) == json_object(record)


def test_an_ordinary_line() -> None:
    assert line_of(source=b"nginx", tags=b"web,eu", content=b'said "hi"\tC:\\n level=error') == (
        rb'{"timestamp":"2026-11-23T10:15:00.1234567Z","id":"1","source":"nginx","tags":["web","eu"],'
        rb'"level":"err","message":"said \"hi\"\tC:\\n level=error"}' + b"\n"
    )


@pytest.mark.parametrize("content", [*HOSTILE, LONG, b"".join(HOSTILE)])
def test_every_byte_can_be_had_back(content: bytes) -> None:
    """Those of the message and of the source."""
    found = json.loads(line_of(source=content.replace(b"\n", b""), content=content))
    assert "message_base64" in found or is_utf8(content)
    exact = base64.b64decode(found.get("message_base64", ""))
    assert content == (exact or found["message"].encode())


def test_fields_that_are_not_utf_8() -> None:
    found = json.loads(line_of(b"\xff", b"caf\xe9", b"a,\xfe", b"\xed\xa0\x80"))
    assert (found["source"], found["tags"]) == ("caf\ufffd", ["a", "\ufffd"])
    assert base64.b64decode(found["source_base64"]) == b"caf\xe9"
    assert base64.b64decode(found["id_base64"]) == b"\xff"
    assert list(map(base64.b64decode, found["tags_base64"])) == [b"a", b"\xfe"]
    assert base64.b64decode(found["message_base64"]) == b"\xed\xa0\x80"


def test_ordinary_events_are_not_rendered_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither are those with quotes, backslashes, tabs or characters that are not ASCII."""
    monkeypatch.setattr("theiafs.rendering.jsonl._line", None)
    drawn = [
        encode_record(WHEN, b"%d" % number, b"app", b"a,b", '\t"\\é'.encode() * number)
        for number in range(200)
    ]
    data, edges = b"".join(drawn), edges_of(drawn)
    assert len(VIEW.render(data, edges)) == VIEW.sizes(data, edges).sum()
