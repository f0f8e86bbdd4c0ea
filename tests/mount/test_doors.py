"""Logs that are appended in their formats have their own times and sources, byte for byte; by real writers, on a mount."""

import json
import logging
import mmap
import os
from collections.abc import Callable

import pytest

from store import Event, EventSerializer
from tests.mount.conftest import Mount

SYSLOG = b"""\
<34>1 2025-11-23T10:15:00.123456+01:00 web-1 su 77 ID47 - 'su root' failed
<13>Nov 23 09:15:01 web-1 CRON[812]: (root) CMD (true)
2025-11-23T09:15:02.5Z web-1 sshd[9]: Accepted publickey
\ttrailing words of it, \xff and more
"""
ACCESS = b"""\
127.0.0.1 - - [23/Nov/2025:10:15:00 +0100] "GET /x HTTP/1.1" 503 12 "-" "curl/8"
127.0.0.1 - ann [23/Nov/2025:10:15:01 +0100] "POST /y HTTP/1.1" 200 7
"""


def lines(mount: Mount, path: str) -> list[str]:
    return (mount.path / path).read_text(errors="surrogateescape").splitlines()


def test_syslog_has_its_times_and_programs(mounted: Mount) -> None:
    (mounted.path / "ingest.syslog").write_bytes(SYSLOG)
    found = [json.loads(line) for line in lines(mounted, "events.jsonl")]
    assert [event["source"] for event in found][:3] == ["su", "CRON", "sshd"]
    assert [event["timestamp"][4:] for event in found if "CRON" not in event["source"]] == [
        "-11-23T09:15:00.1234560Z",
        "-11-23T09:15:02.5000000Z",
        "-11-23T09:15:02.5000000Z",
    ]
    assert found[-1]["tags"] == ["unparsed"]
    contents = [line for line in (mounted.path / "events").read_bytes().split(b"\n") if line]
    assert [line for line in SYSLOG.splitlines() if line not in contents] == []
    assert "unparsed: 1\n" in (mounted.path / "status").read_text()


def test_fields_become_tags_if_they_are_asked_for(make_mount: Callable[..., Mount]) -> None:
    mount = make_mount("keys=status,method,tz=Europe/Berlin")
    (mount.path / "by-tag" / "gw").mkdir()
    with open(mount.path / "by-tag/gw/ingest.combined", "ab") as file:
        file.write(ACCESS)
    assert sorted(os.listdir(mount.path / "by-tag")) == [
        "gw", "method=GET", "method=POST", "status=200", "status=503",
    ]  # fmt: skip
    assert (mount.path / "by-tag/status=503/by-tag/gw/count").read_text() == "1\n"
    assert lines(mount, "by-tag/status=503/events.log")[0].startswith(
        "2025-11-23T09:15:00.000000Z "
    )
    assert os.listdir(mount.path / "by-date") == ["2025-11-23"]


def test_days_are_those_of_the_zone(make_mount: Callable[..., Mount]) -> None:
    """Half past eleven in the evening in London is the next day in Berlin."""
    mount = make_mount("tz=Europe/Berlin")
    (mount.path / "ingest.logfmt").write_bytes(
        b"ts=2025-11-23T23:30:00Z msg=x\nts=2025-11-23T12:00:00 msg=y\n"
    )
    assert sorted(os.listdir(mount.path / "by-date")) == ["2025-11-23", "2025-11-24"]
    assert (mount.path / "by-date/2025-11-24/count").read_text() == "1\n"
    assert lines(mount, "range/2025-11-23T12:00/events.log")[0].startswith("2025-11-23T11:00:00")


def test_a_traceback_is_one_event(mounted: Mount) -> None:
    """Python's logging writes a record in one write."""
    handler = logging.FileHandler(mounted.path / "ingest.record")
    logger = logging.Logger("doors")
    logger.addHandler(handler)
    try:
        os.environ["long" * 40_000]
    except KeyError:
        logger.exception("it failed")
    logger.error("and again")
    handler.close()
    assert (mounted.path / "count").read_text() == "2\n"
    first, second = [json.loads(line)["message"] for line in lines(mounted, "events.jsonl")]
    assert first.startswith("it failed\nTraceback (most recent call last):\n")
    assert first.endswith("long" * 40_000 + "'")
    assert second == "and again"


def test_records_up_to_what_is_passed_on_in_one_piece_are_events_at_once(mounted: Mount) -> None:
    """The size is that of the README. The address in memory decides where the kernel cuts."""
    size = 1 << 20 if "on libfuse 3" in (mounted.path / "status").read_text() else 124 << 10
    memory = mmap.mmap(-1, 2 << 20)
    door = os.open(mounted.path / "ingest.record", os.O_WRONLY | os.O_APPEND)
    sizes = (size, size - 1, size - 100, size - mmap.PAGESIZE + 2, size - mmap.PAGESIZE)
    for count, record_size in enumerate(sizes, 1):
        start = (0, 1, 16, mmap.PAGESIZE - 1)[count % 4]
        memory[start : start + record_size] = b"x" * record_size
        assert os.write(door, memoryview(memory)[start : start + record_size]) == record_size
        assert (mounted.path / "count").read_text() == f"{count}\n"
    os.close(door)


def test_a_record_in_many_pieces_is_one_event(make_mount: Callable[..., Mount]) -> None:
    mount = make_mount("max_event=4M")
    with open(mount.path / "ingest.record", "ab", buffering=0) as door:
        for size in (3_000_000, 2_500_001):
            assert door.write(b"a line\n" * (size // 7)) == size // 7 * 7
    assert (mount.path / "count").read_text() == "2\n"


def test_a_record_that_is_too_large_leaves_nothing(make_mount: Callable[..., Mount]) -> None:
    mount = make_mount("max_event=200K")
    with pytest.raises(OSError, match="too long"):
        (mount.path / "ingest.record").write_bytes(b"x" * 300_000)
    (mount.path / "ingest.record").write_bytes(b"y\n")
    assert (mount.path / "count").read_text() == "1\n"


def test_events_come_back_from_their_lines(make_mount: Callable[..., Mount]) -> None:
    """From events.jsonl of one mount into ingest.jsonl of another: with equal ids, times, sources, tags and contents."""
    one, other = make_mount(name="one"), make_mount(name="other")
    events = [
        Event("id-1", "app", None, ["web", "a b"], 'say "hi"\n\ttwice\\', ticks=17638937411234567),
        Event("id-2", "/app/2", None, [], "not UTF-8: \udcff", ticks=17638937411234568),
        Event("id-3", "", None, ["x"], "", ticks=0),
    ]
    (one.path / "ingest").write_bytes(b"".join(map(EventSerializer().serialize, events)))
    for name, door in (("events.jsonl", "ingest.jsonl"), ("events", "ingest")):
        data = (one.path / name).read_bytes()
        (other.path / door).write_bytes(data)
    (other.path / "ingest.jsonl").write_bytes(b'{"msg": "another"}\n')
    found = (other.path / "events.jsonl").read_bytes().splitlines()
    wanted = (one.path / "events.jsonl").read_bytes().splitlines()
    assert sorted(found[:-1]) == sorted([*wanted, *wanted])
