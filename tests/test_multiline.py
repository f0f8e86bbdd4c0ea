"""Events of several lines."""

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theiafs.errors import ImportFailed
from theiafs.importing import continuation
from theiafs.importing.blocks import Block
from theiafs.importing.continuation import _Event, _read
from theiafs.importing.multiline import Joiner, Multiline

SIZE_MAX = 1 << 20
PYTHON = """\
2026-11-23 10:15:00 ERROR no such user
Traceback (most recent call last):
  File "/srv/shop.py", line 3, in find
    return users[name]
           ~~~~~^^^^^^
KeyError: 'ada'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/shop.py", line 9, in <module>
    find("ada")
shop.errors.NoSuchUser: ada"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/srv/shop.py", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +------------------------------------"""
JAVA = """\
2026-11-23 10:15:00,123 ERROR [main] o.shop.Users - failed
org.shop.UserException: no such user
\tat org.shop.Users.find(Users.java:17)
\tat org.shop.Users.main(Users.java:3)
\tSuppressed: java.io.IOException: closed
\t\tat org.shop.Pool.close(Pool.java:5)
Caused by: java.sql.SQLException: no connection
\tat org.shop.Pool.get(Pool.java:9)
\t... 12 more"""
FLAT_JAVA = """\
java.lang.IllegalStateException: stopped
at org.shop.Users.find(Users.java:17)
Caused by: java.lang.Error
... 3 more"""
GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.find(0x5, {0xc000012345, 0x3})
\t/srv/shop/main.go:8 +0x1d
main.(*Shop).Run(...)
\t/srv/shop/main.go:12
created by main.main in goroutine 1
\t/srv/shop/main.go:3 +0x25

goroutine 7 [chan receive, 2 minutes]:
main.wait()
\t/srv/shop/main.go:30 +0x4a"""
RUST = """\
thread 'main' panicked at src/main.rs:2:5:
stack backtrace:
   0: rust_begin_unwind
             at /rustc/library/std/src/panicking.rs:584:5
note: run with `RUST_BACKTRACE=full` for a verbose backtrace"""
NODE = """\
Error: listen EADDRINUSE: address already in use :::80
    at Server.setupListenHandle [as _listen2] (node:net:1817:16)
    at listenInCluster (node:net:1865:12) {
  code: 'EADDRINUSE',
  errno: -98
}"""
DOTNET = """\
fail: Shop[0] System.Exception: no such user
 ---> System.IO.IOException: closed
   at Shop.Users.Find() in /srv/Users.cs:line 17
   --- End of inner exception stack trace ---
   at Shop.Main() in /srv/Main.cs:line 3
--- End of stack trace from previous location ---
   at Shop.Run()"""
JSON = '{\n  "time": "2026-11-23T10:15:00Z",\n  "tags": [\n    1\n  ],\n\n  "level": "info"\n}'
OBJECT = "2026-11-23T10:15:00Z config: {\n  port: 80\n}"
SQL = "2026-11-23 10:15:00 LOG: select *\n\tfrom users\n\n\twhere name = 'ada'"
ONE_LINERS = [
    "2026-11-23 10:15:00 started", "Thu Nov 26 10:15:00 2026 x", "Dec 1 10:15:00 host app: x", "at", "attach: ok", "}{x", "}",
    "ValueError: not after a traceback", "java.lang.Error: alone", "com.example starts", "note: x", "The end", "main.find(1)",
    '{"a": 1}', "[1, 2]", "Going (", "status=500", "During the night", "....", "x Traceback (most recent call last): y",
]  # fmt: skip
WHOLE = [PYTHON, JAVA, GO, RUST, NODE, DOTNET, JSON, OBJECT, SQL]

LINES = [
    *ONE_LINERS, "", " ", "\t", " x", "\tat y", "    z", "Traceback (most recent call last):", "E Traceback (most recent call last):",
    "KeyError: 1", "During handling of the above exception, another exception occurred:", "goroutine 1 [running]:", "main.f(1)",
    "created by x", "at x", "Caused by: x", "... 12 more", "{", "[", "x (", "]", "})", "},", "org.b.CError: x", "x\ry", "\0",
]  # fmt: skip
documents = st.lists(
    st.one_of(st.sampled_from(LINES), st.text("ab {}(\t.:", max_size=4)), max_size=30
)


def blocks_of(lines: list[bytes], sizes: list[int]) -> list[Block]:
    """Divide lines into blocks of as many lines as the sizes say, the rest into one."""
    blocks, start = [], 0
    for size in [*sizes, len(lines)]:
        text = b"".join(lines[start : start + size])
        if text:
            blocks.append(Block(text, start + 1))
        start += size
    return blocks


def join(
    rule: str, text: bytes, sizes: list[int] | None = None, size_max: int = SIZE_MAX
) -> list[tuple[int, bytes]]:
    """Return the contents of a text with the numbers of their first lines."""
    joiner = Joiner(Multiline(rule), size_max)
    blocks = blocks_of(io.BytesIO(text).readlines(), sizes or [])
    parts = [*map(joiner.feed, blocks), joiner.finish()]
    assert joiner.finish().texts == []
    return [found for part in parts for found in zip(part.lines.tolist(), part.texts, strict=True)]


def contents(rule: str, text: str) -> list[str]:
    return [content.decode() for _, content in join(rule, text.encode())]


@pytest.mark.parametrize("before", ONE_LINERS)
@pytest.mark.parametrize("whole", WHOLE, ids=range(len(WHOLE)))
def test_what_programs_write_in_several_lines(whole: str, before: str) -> None:
    """It stays whole, and is not joined with an event before or after it; blank lines do not matter."""
    events = [before, whole, "2026-11-23 10:15:01 next", whole, whole, "last"]
    assert contents("auto", "\n".join(events)) == events
    assert contents("auto", "\n\n".join(events) + "\n \n") == events


@pytest.mark.parametrize("whole", [GROUP, FLAT_JAVA], ids=["group", "java"])
def test_what_is_written_after_a_line(whole: str) -> None:
    """It belongs to the line that a logger wrote before it."""
    for events in ([whole, "next"], [f"2026-11-23 10:15:00 ERROR x\n{whole}", "next"]):
        assert contents("auto", "\n".join(events)) == events


def test_tracebacks_alone() -> None:
    """Standard error has no other lines between them."""
    one = "\n".join(PYTHON.splitlines()[1:])
    assert contents("auto", f"{one}\n{one}\n") == [one, one]


def test_lines_alone() -> None:
    """None of these is joined with another."""
    assert contents("auto", "\n".join(ONE_LINERS)) == ONE_LINERS


def one_by_one(text: str) -> list[str]:
    """Return the contents of a text by the decision on each line after the other."""
    events: list[list[str]] = []
    event, is_indented = _Event(), False
    for line in text.split("\n"):
        if not line.strip(" \t"):
            continues = True
        elif line[0] in " \t":
            continues, is_indented = True, True
        else:
            continues, event = _read(event, line.encode(), is_indented)
            is_indented = False
        if continues and events:
            events[-1].append(line)
        elif line.strip(" \t"):
            events.append([line])
    for each in events:
        while not each[-1].strip(" \t"):
            each.pop()
    return ["\n".join(each) for each in events]


@given(documents)
def test_all_lines_of_a_block_together(document: list[str]) -> None:
    """The decision is that of one line after the other."""
    text = "\n".join(document)
    assert contents("auto", text) == one_by_one(text)


RULES = st.sampled_from(["auto", "none", "start=^[a-z2{]"])


@given(documents, RULES, st.lists(st.integers(1, 5)), st.sampled_from(["\n", "\r\n"]))
def test_blocks_change_nothing(document: list[str], rule: str, sizes: list[int], end: str) -> None:
    """Wherever they end."""
    text = end.join(document).encode()
    assert join(rule, text, sizes) == join(rule, text)


@given(documents, RULES, st.lists(st.integers(1, 5)), st.integers(1, 40))
def test_blocks_change_nothing_where_contents_are_cut(
    document: list[str], rule: str, sizes: list[int], size_max: int
) -> None:
    """Nor where contents would become too large: they end before the line, and none is larger unless it is one line."""
    text = "\n".join(document).encode()
    found = join(rule, text, sizes, size_max)
    assert found == join(rule, text, size_max=size_max)
    for _, content in found:
        assert len(content) <= size_max or b"\n" not in content
    assert_same_lines(text, found)


@given(
    st.lists(st.sampled_from([*map(str.encode, LINES), b"\xff", b" \xff", b"\0", b"x\r"])),
    RULES,
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_no_byte_is_lost(document: list[bytes], rule: str, end: bytes, is_ended: bool) -> None:
    """The contents are the bytes of the input but the blank lines between them; each has the number of its line."""
    text = end.join(document) + (end if is_ended else b"")
    assert_same_lines(text, join(rule, text))


def assert_same_lines(text: bytes, found: list[tuple[int, bytes]]) -> None:
    lines = io.BytesIO(text).readlines()
    next_line = 1
    for number, content in found:
        assert b"".join(lines[next_line - 1 : number - 1]).strip(b" \t\r\n") == b""
        count = content.count(b"\n") + 1
        own = b"".join(lines[number - 1 : number - 1 + count])
        assert own.removesuffix(b"\n").removesuffix(b"\r") == content
        next_line = number + count
    assert b"".join(lines[next_line - 1 :]).strip(b" \t\r\n") == b""


def test_none() -> None:
    """Every line is an event."""
    lines = [line for line in LINES if line.strip()]
    assert contents("none", "\n".join(LINES)) == lines


def test_start() -> None:
    """A line that the expression matches anywhere begins an event, and no other; blank lines may be within it."""
    text = "a [1]\nb\n\nc\n\n[2]\n[3]\nd\n\n\n"
    assert contents(r"start=\[\d\]", text) == ["a [1]\nb\n\nc", "[2]", "[3]\nd"]
    assert contents(r"start=^\[", text) == ["a [1]\nb\n\nc", "[2]", "[3]\nd"]


@pytest.mark.parametrize("rule", ["", "Auto", "start", "start=(", "start=[", "stop=x", r"start=\8"])
def test_what_is_no_rule(rule: str) -> None:
    """The message shows it."""
    with pytest.raises(ImportFailed, match=re.escape(f"--multiline {rule}: ")):
        Multiline(rule)


def test_blank_lines_without_end() -> None:
    """They are not kept."""
    joiner = Joiner(Multiline("auto"), 1000)
    assert joiner.feed(Block(b"first\n", 1)).texts == []
    found = []
    for number in range(100):
        found += joiner.feed(Block(b"\n" * 100, number * 100 + 2)).texts
        assert len(joiner._kept) <= 1000
    found += joiner.feed(Block(b" later\n", 20_000)).texts
    assert (found, joiner.finish().texts) == ([b"first"], [b" later"])


def test_lines_that_begin_events_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are indented ones: the cost of a decision is that of those that look like more."""
    read = []

    def counted(*arguments: Any) -> Any:
        read.append(arguments)
        return _read(*arguments)

    monkeypatch.setattr(continuation, "_read", counted)
    text = "".join(
        f"Nov 23 10:15:00 host app[{number}]: text\n\tat x\n" for number in range(10_000)
    )
    assert len(contents("auto", text + "Caused by: x\n")) == 10_000
    assert len(read) == 1
