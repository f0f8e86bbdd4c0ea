"""Events one a line, as common programs see them on a real mount."""

import json

import pytest

from store import Event, EventSerializer
from tests.mount.conftest import Mount
from tests.renderings import HOSTILE, check_line, encode_record
from tests.waiting import eventually

WHEN = 17_954_289_001_234_567  # 2026-11-23T10:15:00.1234567Z


def record(number: int, timestamp: float) -> bytes:
    event = Event(f"id{number}", "app", timestamp, ["web"], f"event {number}")
    return EventSerializer().serialize(event) + b"\n"


@pytest.fixture
def hostile(mounted: Mount) -> Mount:
    """A mount with events that try to be more than one, in their contents, sources and tags."""
    words = [text.replace(b"\n", b"") for text in HOSTILE]
    records = [encode_record(WHEN, b"%d" % n, b"app", b"", text) for n, text in enumerate(HOSTILE)]
    records += [encode_record(WHEN, b"1", word, word, b"text") for word in words]
    for each in records:
        (mounted.path / "ingest").write_bytes(each)
    return mounted


@pytest.mark.parametrize("name", ["events.log", "events.jsonl"])
def test_an_event_is_one_line_whatever_is_in_it(hostile: Mount, name: str) -> None:
    """Nothing in it looks like another event, ends the line for any program, or steers a terminal."""
    data = (hostile.path / name).read_bytes()
    lines = data.splitlines(keepends=True)
    assert len(lines) == 2 * len(HOSTILE) == int((hostile.path / "count").read_text())
    assert data.count(b"\n") == len(lines)
    for line in lines:
        text = check_line(line)
        if name == "events.jsonl":
            assert json.loads(text)["timestamp"] == "2026-11-23T10:15:00.1234567Z"
        else:
            assert text.startswith("2026-11-23T10:15:00.123456Z ")


def test_sizes_are_those_that_programs_read(hostile: Mount) -> None:
    """Those of all events and those of a minute, in every directory; also after a remount."""
    for _ in range(2):
        [minute] = hostile.shell("ls minutes").split()
        paths = [f"events.{form}" for form in ("log", "jsonl")]
        paths += [f"minutes/{minute}.log", f"untagged/{minute}.jsonl", "untagged/events.log"]
        for path in paths:
            size = (hostile.path / path).stat().st_size
            assert size == len((hostile.path / path).read_bytes()) > 0
            assert hostile.shell(f"cat {path} | wc -c") == f"{size}\n"
            assert hostile.shell(f"tail -c 5000 {path} | wc -c") == f"{min(size, 5000)}\n"
        hostile.shell("cp events.log /dev/null")
        hostile.remount()


def test_lines_sort_by_time(mounted: Mount) -> None:
    """Those of late events too, which arrived after newer ones."""
    for number, timestamp in enumerate([3000, 1000, 2000.5, 2000.25, 5]):
        (mounted.path / "ingest").write_bytes(record(number, timestamp))
    lines = mounted.shell("LC_ALL=C sort -s -k1,1 events.log").splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["4", "1", "3", "2", "0"]
    assert mounted.shell("cut -d' ' -f2-3 events.log | uniq") == "app [web]\n"


def test_walks_meet_no_line(mounted: Mount) -> None:
    """They are not listed, so that programs that walk a tree read each event once in a directory."""
    (mounted.path / "ingest").write_bytes(record(1, 1000))
    assert mounted.shell("find by-tag -type f") == "by-tag/web/1000-1060\n"
    assert mounted.shell("grep -rl 'event 1' by-tag minutes").split() == [
        "by-tag/web/1000-1060",
        "minutes/1000-1060",
    ]
    assert mounted.shell("readlink by-tag/web/.events.log .events.jsonl").split() == [
        "events.log",
        "events.jsonl",
    ]
    for path in ("minutes/events.log", "minutes/1000-1060.txt", "1000-1060.log", "minutes/1-2.log"):
        assert not (mounted.path / path).exists()


def test_a_line_is_there_as_soon_as_its_event_was_written(mounted: Mount) -> None:
    """At the end of a file that is open, for a reader that comes back after the end; and what was read of it stays."""
    path = mounted.path / "by-tag" / "web" / "events.log"
    (mounted.path / "ingest").write_bytes(record(1, 1000))
    with path.open("rb", buffering=0) as file:
        first = file.read(1 << 16)
        for number in range(2, 40):
            (mounted.path / "ingest").write_bytes(record(number, 1000 + number * 10))
            assert file.read(1 << 16) == b""
            assert file.read(1 << 16).endswith(b"event %d\n" % number)
    data = path.read_bytes()
    assert data.startswith(first)
    eventually(lambda: path.stat().st_size == len(data))


def test_lines_of_a_store_that_is_only_read(mounted: Mount) -> None:
    """They are those of the mount that writes."""
    (mounted.path / "ingest").write_bytes(b"".join(record(n, 1000 + 100 * n) for n in range(9)))
    expected = {name: (mounted.path / name).read_bytes() for name in ("events.log", "events.jsonl")}
    mounted.umount()
    mounted.options += ",ro"
    mounted.mount()
    for name, data in expected.items():
        assert (mounted.path / name).read_bytes() == data
        assert (mounted.path / name).stat().st_size == len(data)
