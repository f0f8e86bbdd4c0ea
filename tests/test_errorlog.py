"""The error log: one line for each error, which cannot be forged; it only grows, and remains small."""

import logging
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import TICKS_PER_S, EventTooLarge, StoreFull
from tests.doubles import Clock
from theiafs import errorlog, timerange
from theiafs.errorlog import ErrorLog
from theiafs.errors import InvalidName, NotPermitted
from theiafs.processes import Process
from theiafs.rendering.times import time_text
from theiafs.timerange import parse_range

CAT = Process(17, "cat")
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [^ ]*\[\d+\] [a-z]+ [^ ]+ E[A-Z]+: [^\n]*"
)
EVERYTHING = 1 << 30


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (errorlog, timerange):
        monkeypatch.setattr(module, "time", clock)
    return clock


def text_of(errors: ErrorLog) -> str:
    return errors.read(0, EVERYTHING).decode()


def refuse(errors: ErrorLog, message: str = "no", path: bytes = b"/x") -> None:
    errors.add(CAT, "open", path, NotPermitted(message))


def refuse_range(errors: ErrorLog, name: str) -> None:
    """Add the error of a request for the range *name*."""
    with pytest.raises(InvalidName) as caught:
        parse_range(name)
    errors.add(CAT, "getattr", f"/range/{name}".encode(), caught.value)


def test_a_line_says_when_which_process_what_where_and_why(clock: Clock) -> None:
    """In fields that can be cut."""
    errors = ErrorLog()
    clock.now = 10_000.25
    errors.add(CAT, "write", b"/by-tag/a b/ingest", EventTooLarge("an event of 9 bytes"))
    assert (
        text_of(errors)
        == r"1970-01-01T02:46:40.250000Z cat[17] write /by-tag/a\x20b/ingest EMSGSIZE: an event of 9 bytes"
        + "\n"
    )
    assert errors.newest == 100_002_500_000


names = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"").replace(b"/", b"-"))
texts = st.text(max_size=60) | st.sampled_from(
    ["a\n2026-01-01T00:00:00.000000Z root[1] open /x EPERM: forged", "\x1b[2J", "\x9b31m", "\u202e", "\t\r\v\f\x7f\x85\u2028"]
)  # fmt: skip


@given(command=names, name=texts, message=texts, is_placed=st.booleans())
def test_a_line_cannot_be_forged(command: bytes, name: str, message: str, is_placed: bool) -> None:
    """Whatever processes and paths are called: one line, whose fields are where they belong, without control characters."""
    errors = ErrorLog()
    path = f"/range/{name}".encode("utf-8", "replace")
    text = path.decode()
    process = Process(1, command.decode("utf-8", "surrogateescape"))
    position = len(text.rpartition("/")[2]) if is_placed else None
    errors.add(process, "open", path, InvalidName(message, text.rpartition("/")[2], position))
    shown = text_of(errors)
    line, *carets, last = shown.split("\n")
    assert last == ""
    assert LINE.fullmatch(line)
    assert all(re.fullmatch(" +\\^", caret) for caret in carets)
    assert len(carets) == is_placed
    assert len(shown.splitlines()) == len(shown.split("\n")) - 1, "no other line ends"
    assert (
        all(each.isprintable() or each == " " for each in line + "".join(carets))
        or not (process.name + name + message).isprintable()
    ), "what is printable stays so"
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


@pytest.mark.parametrize(
    ("name", "faulty"),
    [
        ("2026-11-23..2026-1", "2026-1"),
        ("2026..2026-13-01", "2026-13-01"),
        ("x..2026", "x..2026"),
        ("2026-11-23T10:15~3x", "3x"),
        ("20261123..99999999999999999999", "99999999999999999999"),
        ("2026-11-23T10:15-10:30", "-10:30"),
        ("über 日本..2026", "über 日本..2026"),
    ],
)
def test_a_caret_is_below_what_is_wrong(name: str, faulty: str) -> None:
    """In the path, as it is shown."""
    errors = ErrorLog()
    refuse_range(errors, name)
    line, caret = text_of(errors).splitlines()
    assert line[len(caret) - 1 :].startswith(faulty.replace(" ", r"\x20"))


def test_a_caret_counts_columns(clock: Clock) -> None:
    """Wide characters take two, and what is escaped more than one."""
    errors = ErrorLog()
    errors.add(CAT, "mkdir", "/by-tag/日\n,x".encode(), InvalidName("a comma", "日\n,x", 2))
    line, caret = text_of(errors).splitlines()
    assert r"/by-tag/日\n,x" in line
    assert len(caret) - 1 == line.index(",") + 1


def test_a_range_that_ends_before_it_starts_has_no_caret() -> None:
    """No part of it is wrong by itself."""
    errors = ErrorLog()
    refuse_range(errors, "2027..2026")
    assert text_of(errors).count("\n") == 1


def test_equal_errors_within_a_second_are_counted(clock: Clock) -> None:
    """The first shows at once, the others as one line, with the time of the last, as soon as the second is over."""
    errors = ErrorLog()
    for _ in range(42):
        refuse(errors)
        clock.now += 0.01
    [first] = text_of(errors).splitlines()
    assert first.endswith(" /x EPERM: no")
    size = errors.size()
    clock.now += 0.6
    assert errors.size() > size, "the size says so"
    before, repeated = text_of(errors).splitlines()
    assert before == first
    shown = time_text(round((clock.now - 0.61) * TICKS_PER_S)).decode()
    assert repeated == f"{shown} {first[28:]} (41 more times)"
    refuse(errors, "other")
    refuse(errors)
    refuse(errors)
    clock.now += 2
    assert text_of(errors).splitlines()[2].endswith(": other")
    assert [line[28:] for line in text_of(errors).splitlines()[3:]] == [
        first[28:],
        f"{first[28:]} (1 more time)",
    ]
    assert errors.errors == 45


def test_the_number_of_repetitions_comes_before_other_errors(clock: Clock) -> None:
    """So that the lines are in the order of time, although the second is not over."""
    errors = ErrorLog()
    for message in ("a", "b", "b", "a", "b", "a", "a", "c", "b"):
        clock.now += 0.01
        refuse(errors, message)
    shown = [line.partition("EPERM: ")[2] for line in text_of(errors).splitlines()]
    assert shown == ["a", "b", "b (2 more times)", "a (3 more times)", "c"]
    clock.now += 1
    shown = [line.partition("EPERM: ")[2] for line in text_of(errors).splitlines()]
    assert shown[5:] == ["b (1 more time)"]
    times = [line.partition(" ")[0] for line in text_of(errors).splitlines()]
    assert times == sorted(times)


def test_errors_of_two_processes_are_not_equal(clock: Clock) -> None:
    """Each line says which one it was."""
    errors = ErrorLog()
    for number in (1, 2):
        errors.add(Process(number, "cat"), "open", b"/x", NotPermitted("no"))
    assert re.findall(r"cat\[(\d)\]", text_of(errors)) == ["1", "2"]


actions = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 0.4, 1.1]), st.booleans())
)


@given(actions)
def test_it_only_grows(drawn: list[tuple[str, float, bool]]) -> None:
    """Bytes that were read stay where they were, and the size is exact; each error is in it once, in the order of time."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as monkeypatch:
        for module in (errorlog, timerange):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(errorlog, "_LINES_MAX", 8)
        errors = ErrorLog()
        seen = ""
        for message, pause, is_range in drawn:
            if is_range:
                refuse_range(errors, f"{message}..")
            else:
                refuse(errors, message)
            clock.now += pause
            text = text_of(errors)
            assert text.startswith(seen)
            assert errors.size() == len(text)
            assert text.count("\n") <= 8
            seen = text
        errors.close()
        lines = [line for line in text_of(errors).splitlines() if line.strip(" ^")]
        times = [line.partition(" ")[0] for line in lines]
        assert times == sorted(times)
        counts = [re.search(r"\((\d+) more times?\)$", line) for line in lines]
        shown = sum(
            int(count[1]) if count else "EFBIG" not in line
            for line, count in zip(lines, counts, strict=True)
        )
        assert shown + errors.only_counted == errors.errors == len(drawn)


def test_when_it_is_full_further_errors_are_counted(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line says so."""
    monkeypatch.setattr(errorlog, "_LINES_MAX", 10)
    errors = ErrorLog()
    for number in range(30):
        refuse(errors, str(number))
    refuse(errors, "0")
    lines = text_of(errors).splitlines()
    assert [line.rpartition(" ")[2] for line in lines[:9]] == [str(number) for number in range(9)]
    assert len(lines) == 10
    assert f"theiafs[{os.getpid()}] write /errors EFBIG: no room for more lines" in lines[-1]
    assert LINE.fullmatch(lines[-1])
    clock.now += 2
    assert text_of(errors).splitlines() == lines
    assert (errors.errors, errors.only_counted) == (31, 22)


def test_its_memory_is_bounded() -> None:
    """However long the paths and messages are."""
    errors = ErrorLog()
    refuse(errors, "é" * 10_000, b"/" + b"\x01" * 4000)
    [line] = text_of(errors).splitlines()
    assert len(line.encode()) < 1600
    assert line.endswith("é…")
    assert LINE.fullmatch(line)
    name = "x" * 1000
    errors.add(CAT, "getattr", f"/range/{name}".encode(), InvalidName("x", name, 900))
    assert len(text_of(errors).splitlines()) == 2, "a caret would be beyond the end"


class State:
    """The place where errors are kept; it fails if told to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.fails = False

    def keep(self, data: bytes) -> None:
        if self.fails:
            raise StoreFull("no room")
        self.written.append(data)


def test_the_last_lines_are_kept(clock: Clock) -> None:
    """At most once a second when there is something new, and in the end."""
    state = State()
    errors = ErrorLog(b"", state.keep)
    refuse(errors, "0")
    assert state.written == [text_of(errors).encode()]
    for number in range(1, 2000):
        refuse(errors, str(number))
    assert len(state.written) == 1
    clock.now += 1
    errors.size()
    errors.size()
    assert len(state.written) == 2
    lines = state.written[-1].decode().splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == [str(n) for n in range(1000, 2000)]
    for _ in range(2):
        refuse(errors, "1999")
    errors.close()
    assert len(state.written) == 3
    again = ErrorLog(state.written[-1])
    assert text_of(again).encode() == state.written[-1]
    assert text_of(again).splitlines()[-1].endswith(": 1999 (1 more time)")
    assert (again.errors, again.newest) == (0, 0)


def test_what_cannot_be_kept_fails_no_request(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and tried again."""
    state = State()
    state.fails = True
    errors = ErrorLog(b"", state.keep)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            refuse(errors, str(number))
            clock.now += 1
        assert caplog.text.count("not kept") == 1
        state.fails = False
        errors.size()
        assert state.written == [text_of(errors).encode()]


@pytest.mark.parametrize("kept", [b"", b"a line\n", b"half", b"\xff\x1b[2J\n\n\x80\n", b"\n\n"])
def test_whatever_was_kept_can_be_shown(kept: bytes) -> None:
    """Another program may have written it."""
    text = text_of(ErrorLog(kept))
    assert text == "" or text.endswith("\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert ErrorLog(b"x\n" * 5000).size() == 2000
    assert ErrorLog(b"x" * 10_000_000).size() < 2100


def test_a_cheap_look(clock: Clock) -> None:
    """To ask for the size again and again keeps nothing when there is nothing new."""
    state = State()
    errors = ErrorLog(b"", state.keep)
    refuse(errors)
    for _ in range(10):
        clock.now += 1
        errors.size()
        errors.read(0, 10)
    assert len(state.written) == 1
