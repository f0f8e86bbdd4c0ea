"""Events that try to be what they are not, and what text may hold that is shown to people."""

import base64
import contextlib
import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import strategies as st

from store.format.levels import LEVELS, level_of
from store.format.record import Header, parse
from store.format.text import Integers
from store.ticks import TICKS_MAX

HOSTILE = [
    b"\n", b"\r\n", b"\x00", b"\x1b[2J\x1b]0;owned\x07", b"\x7f", b"\t", b"\x0b\x0c\x1c\x1d\x1e\x1f", b"\\", b"\\n", b'"',
    "\u009b31m".encode(), "\u0085".encode(), "\u2028\u2029".encode(), "\u202egnp.exe\u2066".encode(), b"\xff", b"\xc2",
    b"\x9b", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "été 日本 🙂 \ufffd".encode(), b" ", b"[", b"]", b"-", b"[] ",
    b"\n2026-11-23T10:15:00.123456Z bank [money] forged", b"] [root] forged", b'","message":"forged', b'"}\n{"message":"x"}',
    b"event: 49 49 0\nid:1\ntimestamp: 5.0000000\nsource:s\ntags:t\n\n\n", b"x" * 70, b"y" * 300,
]  # fmt: skip

LONG = b"0123456789" * 2_000

texts = st.lists(st.one_of(st.sampled_from(HOSTILE), st.binary(max_size=8)), max_size=4).map(
    b"".join
)
words = texts.map(lambda text: text.replace(b"\n", b""))
tag_lists = st.one_of(
    st.lists(words.map(lambda tag: tag.replace(b",", b"")), max_size=4).map(b",".join),
    st.sampled_from([b"", b"web", b"a,b,c", b",a", b"a,", b"a,,b", b",", b"a:,b", b"level=err"]),
)
times = st.one_of(
    st.integers(0, TICKS_MAX), st.integers(17_000_000_000_000_000, 18_000_000_000_000_000)
)


@contextlib.contextmanager
def in_columns() -> Iterator[None]:
    """Render meanwhile few records in columns, as many are."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("theiafs.rendering.records._MANY", 0)
        yield


def encode_record(ticks: int, event_id: bytes, source: bytes, tags: bytes, content: bytes) -> bytes:
    """Encode a record of bytes that no event of the programming interface has."""
    time = b"%d.%07d" % divmod(ticks, 10**7)
    header = b"id:%b\ntimestamp: %b\nsource:%b\ntags:%b\n" % (event_id, time, source, tags)
    sizes = (len(header) + len(content), len(header), len(content))
    return b"event: %d %d %d\n%b%b\n\n" % (*sizes, header, content)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Records, some of them without tags or a closing, or with their fields in another order."""
    source = draw(st.one_of(st.sampled_from([b"app", b"web-1", b""]), words))
    content = draw(st.one_of(st.just(b"an ordinary line"), texts, st.just(LONG[:600])))
    record = encode_record(draw(times), draw(words), source, draw(tag_lists), content)
    if draw(st.integers(0, 5)):
        return record
    header = b"source:%b\nID:7\ntimestamp: 1.5\n" % source
    sizes = (len(header) + len(content), len(header), len(content))
    return b"event: %d %d %d\n%b%b\n" % (*sizes, header, content)


def edges_of(data: list[bytes]) -> Integers:
    """Return the offsets of the records of *data* once they are joined, and that of the end."""
    return np.cumsum([0, *map(len, data)], dtype=np.int64)


def parsed(record: bytes) -> tuple[Header, bytes]:
    """Parse a whole *record* into its header and content."""
    found = parse(record)
    assert found is not None
    assert found.size == len(record)
    content_end = found.content_start + found.content_size
    return found.header, record[found.content_start : content_end]


def time_shown(ticks: int, decimals: int) -> str:
    """Return the time as it is shown."""
    try:
        second = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ticks // 10**7)
    except OverflowError:
        return "9999-12-31T23:59:59." + "9" * decimals + "Z"
    return f"{second:%Y-%m-%dT%H:%M:%S}.{f'{ticks % 10**7:07d}'[:decimals]}Z"


def is_unsafe(character: str) -> bool:
    """Return whether a *character* must not be shown as it is."""
    if unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"}:
        return character != "\t"
    overrides = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return unicodedata.bidirectional(character) in overrides


def shown(data: bytes, also: str = "") -> str:
    """Return *data* as a line shows it; *also* has more characters to escape."""
    short = {"\n": r"\n", "\r": r"\r"} | ({"\t": r"\t"} if also else {})
    pieces = []
    for character in data.decode(errors="surrogateescape"):
        if character in short:
            pieces.append(short[character])
        elif is_unsafe(character) or character in also:
            encoded = character.encode(errors="surrogateescape")
            pieces.append("".join(rf"\x{byte:02x}" for byte in encoded))
        else:
            pieces.append(character)
    return "".join(pieces)


def check_line(line: bytes) -> str:
    """Check that *line* is one line to every program, and steers no terminal; return its text."""
    assert line.endswith(b"\n")
    text = line[:-1].decode()
    assert not any(map(is_unsafe, text))
    assert len(text.splitlines()) == 1
    return text


def log_line(record: bytes) -> str:
    """The line of a record in a log, made in the plainest way."""
    header, content = parsed(record)
    source, tags = shown(header.source, also=" \t") or "-", shown(header.tags, also=" \t")
    return f"{time_shown(header.ticks, 6)} {source} [{tags}] {shown(content)}\n"


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def is_utf8(data: bytes) -> bool:
    return data == data.decode(errors="ignore").encode()


def json_object(record: bytes) -> dict[str, object]:
    """The object that the line of a record holds, made in the plainest way."""
    header, content = parsed(record)
    tags = [tag for tag in header.tags.split(b",") if tag]
    found: dict[str, object] = {
        "timestamp": time_shown(header.ticks, 7),
        "id": header.id.decode(errors="replace"),
        "source": header.source.decode(errors="replace"),
        "tags": [tag.decode(errors="replace") for tag in tags],
        "level": (None, *LEVELS)[level_of(header.tags, content)],
        "message": content.decode(errors="replace"),
    }
    for name, value in (("id", header.id), ("source", header.source), ("message", content)):
        if not is_utf8(value):
            found[f"{name}_base64"] = in_base64(value)
    if not all(map(is_utf8, tags)):
        found["tags_base64"] = [in_base64(tag) for tag in tags]
    return found


def json_line(record: bytes) -> str:
    """The line of JSON of a record, made in the plainest way."""
    text = json.dumps(json_object(record), ensure_ascii=False, separators=(",", ":"))
    return "".join(rf"\u{ord(each):04x}" if is_unsafe(each) else each for each in text) + "\n"
