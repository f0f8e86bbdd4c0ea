"""Lines of ``journalctl -o json``."""

import json

import pytest
from hypothesis import given

from tests.formats import HOSTILE, RULES, check_rows, lines, read_rows, shown
from theiafs.formats.journal import Journal

JOURNAL = Journal()

ENTRY = {
    "__CURSOR": "s=0639;i=1a;b=4c3;m=2d;t=60a;x=f1",
    "__REALTIME_TIMESTAMP": "1700000000123456",
    "__MONOTONIC_TIMESTAMP": "48231",
    "_BOOT_ID": "4c3bd5f8c4f94b0e9a8c2c2f6c1f5e0d",
    "_SOURCE_REALTIME_TIMESTAMP": "1700000000123001",
    "PRIORITY": "4",
    "_HOSTNAME": "web-1",
    "_COMM": "sshd",
    "_SYSTEMD_UNIT": "ssh.service",
    "SYSLOG_IDENTIFIER": "sshd-session",
    "_PID": "24200",
    "MESSAGE": "Connection closed by 10.0.0.7 port 50022",
}


def entry(**changed: object) -> str:
    """A line of the entry with some fields changed, and without those that are None."""
    fields = {**ENTRY, **changed}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def test_an_entry() -> None:
    assert shown(entry(), JOURNAL) == ("2023-11-14T22:13:20.1234560Z", "sshd-session", "warning")


def test_a_message_of_bytes() -> None:
    """It is what journalctl writes for one that is not UTF-8, or has control characters."""
    line = entry(MESSAGE=list(b"\x1b[31mcaf\xe9"), SYSLOG_IDENTIFIER=list(b"cron"))
    assert shown(line, JOURNAL) == ("2023-11-14T22:13:20.1234560Z", "cron", "warning")


@pytest.mark.parametrize(
    ("identifier", "unit", "command", "source"),
    [
        (None, "ssh.service", "sshd", "ssh.service"),
        (None, None, "sshd", "sshd"),
        (None, None, None, None),
        ("", "ssh.service", None, "ssh.service"),
        (["first", "second"], None, None, "first"),
        ([[97, 255], "second"], None, "x", "x"),
        ([list(b"first"), "second"], None, None, "first"),
        ([256, "x"], None, None, None),
        ([[[]]], [], [True], None),
    ],
)
def test_sources(identifier: object, unit: object, command: object, source: str | None) -> None:
    """The first field that is one counts, and of several values of a field the first."""
    changed = {"SYSLOG_IDENTIFIER": identifier, "_SYSTEMD_UNIT": unit, "_COMM": command}
    assert shown(entry(**changed), JOURNAL)[1] == source


@pytest.mark.parametrize(
    "time", [None, "", "x", "-1", "1.5", 1700000000123456, "9" * 30, "²", "9" * 4000, []]
)
def test_an_entry_without_a_time_is_none(time: object) -> None:
    (row,) = read_rows(JOURNAL, [entry(__REALTIME_TIMESTAMP=time).encode()])
    assert not row.is_parsed


def test_times_are_microseconds() -> None:
    """Also those of a machine whose clock begins at the epoch."""
    assert (
        shown(entry(__REALTIME_TIMESTAMP="5000001"), JOURNAL)[0] == "1970-01-01T00:00:05.0000010Z"
    )


def test_keys_become_tags() -> None:
    rules = RULES._replace(keys=("_PID", "_HOSTNAME", "MISSING", "MESSAGE"))
    (row,) = read_rows(JOURNAL, [entry(MESSAGE=list(b"caf\xe9,")).encode()], rules)
    assert row.tags == ("_PID=24200", "_HOSTNAME=web-1", "MESSAGE=caf\udce9%2C")


@given(lines)
def test_any_lines(drawn: list[bytes]) -> None:
    check_rows(JOURNAL, [*drawn, entry().encode()], RULES._replace(keys=("status", "MESSAGE")))


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:20]))
def test_hostile_lines_are_no_entries(line: bytes) -> None:
    good = entry().encode()
    before, found, after = read_rows(JOURNAL, [good, line, good])
    assert before == after == read_rows(JOURNAL, [good])[0]
    assert not found.is_parsed
