"""``theiafs ls`` and ``theiafs cat`` show what a mount shows, without one."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, NaiveEventStore, Query
from store.format.event import encode_event
from tests.renderings import json_line, log_line
from tests.waiting import eventually
from theiafs.cli import main

EVENTS = [
    Event("a", "s", 10, ["web"], "ERROR one"),
    Event("b", "t", 20, ["web", "db"], "two"),
    Event("c", "s", 100, [], "three"),
]


@pytest.fixture
def store_dir(tmp_path: Path) -> str:
    """A store that no process has open."""
    directory = str(tmp_path / "events")
    with contextlib.closing(NaiveEventStore(directory)) as store:
        store.save_all(EVENTS)
        store.save_view("errors", "../by-level/err")
    return directory


@pytest.fixture(autouse=True)
def kept_signals() -> Iterator[None]:
    """The command changes a signal for its process, which here is that of the tests."""
    before = signal.getsignal(signal.SIGPIPE)
    yield
    signal.signal(signal.SIGPIPE, before)


def run(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, bytes, str]:
    status = main(arguments)
    output, errors = capfdbinary.readouterr()
    return status, output, errors.decode()


def stored(*ids: str) -> bytes:
    return b"".join(encode_event(each)[0] for each in EVENTS if each.id in ids)


def in_log(record: bytes) -> bytes:
    return log_line(record).encode()


def in_json(record: bytes) -> bytes:
    return json_line(record).encode()


def lines(*ids: str, shown: Callable[[bytes], bytes] = in_log) -> bytes:
    return b"".join(shown(stored(each)) for each in ids)


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        ([], b"README\nstatus\nerrors\nminutes\nlatest\nby-tag\nby-source\nby-level\nby-date\nrange\nmatch\nnot\nby-id\nviews\n"),
        (["by-tag"], b"db\nweb\n"),
        (["/by-tag/web/"], b"10-70\n"),
        (["views", "by-source/../by-source"], b"errors\ns\nt\n"),
        (["views/errors"], b"10-70\n"),
        (["by-tag/web/count"], b"by-tag/web/count\n"),
        (["range"], b""),
    ],
)  # fmt: skip
def test_directories_are_listed(
    capfdbinary: pytest.CaptureFixture[bytes], store_dir: str, paths: list[str], wanted: bytes
) -> None:
    """One name a line; of a file its path."""
    status, output, errors = run(capfdbinary, "ls", store_dir, *paths)
    assert (status, sorted(output.splitlines()), errors) == (0, sorted(wanted.splitlines()), "")


def test_hidden_links_are_listed_if_asked_for(
    capfdbinary: pytest.CaptureFixture[bytes], store_dir: str
) -> None:
    """As by ls(1)."""
    _, output, _ = run(capfdbinary, "ls", "-a", store_dir, "by-tag/web")
    assert {b".count", b".not", b"10-70"} < set(output.splitlines())


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (["events"], stored("a", "b", "c")),
        (["by-tag/web/events"], stored("a", "b")),
        (["latest"], stored("c")),
        (["by-tag/web/.count"], b"2\n"),
        (["views/errors/events", "by-tag/db/10-70"], stored("a", "b")),
        (["range/20..20/not/by-tag/db/count"], b"0\n"),
        (["by-id/c"], stored("c")),
        (["events.log"], lines("a", "b", "c")),
        (
            ["by-tag/web/events.log", "by-tag/web/events.jsonl"],
            lines("a", "b") + lines("a", "b", shown=in_json),
        ),
        (["views/errors/events.log", "minutes/100-160.log"], lines("a", "c")),
        (["range/15../10-70.log", "minutes/100-160.jsonl"], lines("b") + lines("c", shown=in_json)),
        (["match/o$/events.jsonl"], lines("b", shown=in_json)),
    ],
)
def test_files_are_printed(
    capfdbinary: pytest.CaptureFixture[bytes], store_dir: str, paths: list[str], wanted: bytes
) -> None:
    """One after the other, links followed."""
    assert run(capfdbinary, "cat", store_dir, *paths) == (0, wanted, "")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("nope", "no such file: '/nope'"),
        ("by-tag/nope/count", "no event has the tag 'nope'"),
        ("range/x/count", "'x'"),
        ("by-tag", "theiafs ls lists it"),
        ("10-70", "no such file"),
        ("ingest", "no such file"),
        ("minutes/1-2", "nothing here in 1-2"),
        ("by-tag/a\nb/count", r"a\nb"),
    ],
)
def test_what_cannot_be_printed_is_one_line_of_errors(
    capfdbinary: pytest.CaptureFixture[bytes], store_dir: str, path: str, error: str
) -> None:
    """And the other paths are printed all the same."""
    status, output, errors = run(capfdbinary, "cat", store_dir, path, "count")
    assert (status, output) == (1, b"3\n")
    assert errors.startswith("theiafs: ")
    assert error in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", ["ls", "cat"])
def test_a_store_that_is_not_there(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, command: str
) -> None:
    """Is an error, and is not made."""
    status, output, errors = run(capfdbinary, command, str(tmp_path / "x"), "count")
    assert (status, output, errors) == (
        1,
        b"",
        f"theiafs: there is no store {tmp_path / 'x'}: give the directory of its minute files, or mount it without -o ro to make it\n",
    )
    assert not (tmp_path / "x").exists()


def command(*arguments: str) -> "subprocess.Popen[bytes]":
    # Shells let what runs in the background ignore SIGINT, and so these tests perhaps.
    return subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "theiafs", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    ("name", "shown"), [("events", bytes), ("events.log", in_log), ("events.jsonl", in_json)]
)
def test_a_file_is_followed_while_another_process_writes(
    store_dir: str, name: str, shown: Callable[[bytes], bytes]
) -> None:
    """Until it is interrupted."""
    with command("cat", "-f", store_dir, f"by-tag/web/{name}") as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        found = bytearray()

        def has_read(wanted: bytes) -> bool:
            found.extend(process.stdout.read() or b"")  # type: ignore[union-attr]
            return bytes(found) == wanted

        wanted = [shown(stored(each)) for each in ("a", "b")]
        eventually(lambda: has_read(b"".join(wanted)))
        later = Event("d", "s", 30, ["web"], "later")
        with contextlib.closing(NaiveEventStore(store_dir)) as store:
            store.save_all([later, Event("e", "s", 31, [], "other")])
        wanted.append(shown(encode_event(later)[0]))
        eventually(lambda: has_read(b"".join(wanted)))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 128 + signal.SIGINT
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_reader_that_has_enough_ends_the_command(tmp_path: Path) -> None:
    """Silently, as with other programs."""
    directory = str(tmp_path)
    with contextlib.closing(NaiveEventStore(directory)) as store:
        store.save_all([Event(str(number), "s", 10, [], "x" * 1000) for number in range(1000)])
        assert store.whole(Query()).size > 1 << 20
    with command("cat", directory, "events") as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(60) == -signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == b""
