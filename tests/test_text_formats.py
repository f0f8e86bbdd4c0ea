"""The formats syslog, combined and dated: their dialects, lines that are none of theirs, and hostile ones."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theiafs.formats.combined import Combined
from theiafs.formats.dated import Dated
from theiafs.formats.fields import NO_TIME, Fields, Format, Rules
from theiafs.formats.syslog import Syslog

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
FORMATS: list[Format] = [Syslog(), Combined(), Dated()]
SYSLOG_KEYS = ("host", "pid", "msgid", "facility", "severity")
COMBINED_KEYS = ("vhost", "host", "user", "method", "path", "protocol", "status", "size", "referer", "agent")  # fmt: skip


def ticks_of(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 10


RULES = Rules(UTC, ticks_of(NOW))


def read_one(
    format_: Format, line: str | bytes, keys: tuple[str, ...]
) -> tuple[int, str | None, set[str], bool]:
    """Read a line: time, source, tags, whether it is parsed."""
    data = line if isinstance(line, bytes) else line.encode()
    fields = format_.read([data], RULES._replace(keys=keys))
    return int(fields.ticks[0]), fields.sources[0], set(fields.tags[0]), bool(fields.is_parsed[0])


AT = ticks_of(datetime(2026, 11, 23, 10, 15, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "ticks", "source", "tags"),
    [
        # The examples of RFC 5424, section 6.5, and RFC 3164, section 5.4.
        (
            "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
            ticks_of(datetime(2003, 10, 11, 22, 14, 15, 3000, tzinfo=UTC)),
            "su",
            {"host=mymachine.example.com", "msgid=ID47", "facility=auth", "severity=crit"},
        ),
        (
            "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
            ticks_of(datetime(2003, 8, 24, 12, 14, 15, 3, tzinfo=UTC)),
            "myproc",
            {"host=192.0.2.1", "pid=8710", "facility=local4", "severity=notice"},
        ),
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
            ticks_of(datetime(2026, 10, 11, 22, 14, 15, tzinfo=UTC)),
            "su",
            {"host=mymachine", "facility=auth", "severity=crit"},
        ),
        ("<13>1 - - - - - -", NO_TIME, None, {"facility=user", "severity=notice"}),
        ("1 2026-11-23T10:15:00Z h app 1 - -", AT, "app", {"host=h", "pid=1"}),
        # Files of rsyslog and syslog-ng.
        ("2026-11-23T11:15:00.000000+01:00 web01 sshd[42]: text", AT, "sshd", {"host=web01", "pid=42"}),
        ("2026-11-23T10:15:00+00:00 web01 kernel: [    0.000000] Linux", AT, "kernel", {"host=web01"}),
        ("Nov 23 10:15:00 combo sshd(pam_unix)[19939]: authentication failure", AT, "sshd(pam_unix)", {"host=combo", "pid=19939"}),
        ("Nov 23 10:15:00.000 h postfix/smtpd[7]: text", AT, "postfix/smtpd", {"host=h", "pid=7"}),
        ("Nov 23 2026 10:15:00 fw01 %ASA-6-302013: Built", AT, "%ASA-6-302013", {"host=fw01"}),
        ("<30>Nov 23 10:15:00 cron[5]: without a host", AT, "cron", {"pid=5", "facility=daemon", "severity=info"}),
        ("Nov 23 10:15:00 2001:db8::1 app: text", AT, "app", {"host=2001:db8::1"}),
        ("Nov 23 10:15:00 combo last message repeated 2 times", AT, None, {"host=combo"}),
        ("Nov 23 10:15:00 combo -- MARK --", AT, None, {"host=combo"}),
        ("Nov 23 10:15:00 combo failed\norg.app: in several lines", AT, None, {"host=combo"}),
        ("<999>Nov 23 10:15:00 h app: no such priority", AT, "app", {"host=h"}),
    ],
)  # fmt: skip
def test_syslog(line: str, ticks: int, source: str | None, tags: set[str]) -> None:
    assert read_one(Syslog(), line, SYSLOG_KEYS) == (ticks, source, tags, True)
    assert read_one(Syslog(), line, ()) == (ticks, source, set(), True)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "text",
        "Nov 31 10:15:00 host app: no such day",
        "Foo 23 10:15:00 host app: no such month",
        "A fooo bar baz bar bar",
        "2026-11-23 without: a time",
        "<34>",
        "<34>1 yesterday host app 1 - -",
        '{"time":"2026-11-23T10:15:00Z"}',
    ],
)
def test_lines_that_are_no_syslog(line: str) -> None:
    assert read_one(Syslog(), line, SYSLOG_KEYS) == (NO_TIME, None, set(), False)


def test_priorities_are_those_of_the_rfc() -> None:
    """All of them, by name."""
    severities = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
    for priority in range(192):
        tags = read_one(Syslog(), f"<{priority}>Nov 23 10:15:00 h a: x", ("severity", "facility"))[
            2
        ]
        assert f"severity={severities[priority % 8]}" in tags
        assert len(tags) == 2


ACCESS = '203.0.113.7 - frank [23/Nov/2026:11:15:00 +0100] "GET /a%20b?x=1 HTTP/1.1" 200 2326'
FIELDS = {
    "host=203.0.113.7", "user=frank", "method=GET", "path=/a%2520b", "protocol=HTTP/1.1", "status=200", "size=2326",
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "tags"),
    [
        (ACCESS, FIELDS),
        (ACCESS + ' "-" "curl/8.1"', FIELDS | {"agent=curl/8.1"}),
        (ACCESS + ' "http://e.org/a,b" "a \\"quoted\\" b" 0.012 "-"', FIELDS | {"referer=http://e.org/a%2Cb", 'agent=a \\"quoted\\" b'}),
        ("www.e.org:443 " + ACCESS, FIELDS | {"vhost=www.e.org:443"}),
        (ACCESS.replace("- frank", "ident frank"), FIELDS),
        (ACCESS.replace("frank", "John Smith"), FIELDS - {"user=frank"} | {"user=John Smith"}),
        (ACCESS.replace("frank", "-").replace("2326", "-"), FIELDS - {"user=frank", "size=2326"}),
        (ACCESS.replace("203.0.113.7", "2001:db8::1"), FIELDS - {"host=203.0.113.7"} | {"host=2001:db8::1"}),
        (ACCESS.replace("GET /a%20b?x=1 HTTP/1.1", "\\x16\\x03\\x01"), FIELDS - {"method=GET", "path=/a%2520b", "protocol=HTTP/1.1"}),
        (ACCESS.replace("GET /a%20b?x=1 HTTP/1.1", "-"), FIELDS - {"method=GET", "path=/a%2520b", "protocol=HTTP/1.1"}),
        (ACCESS.replace(" HTTP/1.1", ""), FIELDS - {"protocol=HTTP/1.1"}),
        (ACCESS.replace("/a%20b", '/\\"a'), FIELDS - {"path=/a%2520b"} | {'path=/\\"a'}),
        (ACCESS.replace("23/Nov/2026:11:15:00 +0100", "2026-11-23T10:15:00+00:00"), FIELDS),
    ],
)  # fmt: skip
def test_combined(line: str, tags: set[str]) -> None:
    assert read_one(Combined(), line, COMBINED_KEYS) == (AT, None, tags, True)
    # Each field alone, in which less of the line is matched.
    for key in COMBINED_KEYS:
        assert read_one(Combined(), line, (key,))[2] == {
            each for each in tags if each.startswith(f"{key}=")
        }
    assert read_one(Combined(), line, ("unknown",)) == (AT, None, set(), True)


@pytest.mark.parametrize(
    "line", ["", "text", ACCESS.replace("Nov", "Foo"), ACCESS[:40], ACCESS.replace('"', "'")]
)
def test_lines_that_are_no_access_logs(line: str) -> None:
    ticks, source, _, is_parsed = read_one(Combined(), line, COMBINED_KEYS)
    assert (ticks, source, is_parsed) == (NO_TIME, None, False)


# The first lines of logs that were published by loghub.
LOGHUB = [
    ("[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok /etc/httpd/conf/workers2.properties", datetime(2005, 12, 4, 4, 47, 44)),
    ("081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block", datetime(2008, 11, 9, 20, 36, 15)),
    ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; logname= uid=0", datetime(2026, 6, 14, 15, 16, 1)),
    ("Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186", datetime(2025, 12, 10, 6, 55, 46)),
    ("17/06/09 20:10:40 INFO executor.CoarseGrainedExecutorBackend: Registered signal handlers", datetime(2017, 6, 9, 20, 10, 40)),
    ("2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181] - Notification time out: 3200", datetime(2015, 7, 29, 17, 41, 44, 747000)),
]  # fmt: skip
DATED = [
    ("2026-11-23T10:15:00Z: text", AT),
    ("2026-11-23T10:15:00.000+00:00", AT),
    ("2026-11-23 10:15:00 UTC [12] LOG:  ready", AT),
    ("2026-11-23 11:15:00.000000 +0100 CET text", AT),
    ("[2026-11-23 10:15:00,000] text", AT),
    ("2026/11/23 10:15:00 [error] 12#0: *1 open() failed", AT),
    ("(2026-11-23T10:15) text", AT),
    ("20261123T101500Z text", AT),
    ("[23/Nov/2026:10:15:00 +0000] text", AT),
    ("23-Nov-2026 10:15:00.000 INFO [main] org.apache.catalina", AT),
    ("Mon, 23 Nov 2026 10:15:00 GMT text", AT),
    ("Mon Nov 23 10:15:00 2026 text", AT),
    ("I1123 10:15:00.000000       1 main.go:12] text", AT),
    ("1795428900.000    345 10.0.0.1 TCP_MISS/200", AT),
    ("1795428900000 text", AT),
    ("10:15:00 text", NO_TIME),
    ("1234567 text", NO_TIME),
    ("2026-11-23T10:15:00Zulu", NO_TIME),
    ("2026-11-23T10:15:00.000.000", NO_TIME),
    ("text 2026-11-23T10:15:00Z", NO_TIME),
    ("    at java.lang.Thread.run", NO_TIME),
    ("", NO_TIME),
]


@pytest.mark.parametrize(("line", "ticks"), DATED)
def test_dated(line: str, ticks: int) -> None:
    assert read_one(Dated(), line, ("host",)) == (ticks, None, set(), ticks != NO_TIME)


@pytest.mark.parametrize(("line", "at"), LOGHUB, ids=lambda each: str(each)[:12])
def test_published_logs(line: str, at: datetime) -> None:
    """Their times are of the zone of the rules; syslog's are read by both formats."""
    for zone in (ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")):
        rules = RULES._replace(zone=zone)
        expected = ticks_of(at.replace(tzinfo=zone))
        assert Dated().read([line.encode()], rules).ticks.tolist() == [expected]
        is_syslog = bool(re.match("[A-Z]", line))
        found = Syslog().read([line.encode()], rules)
        assert found.is_parsed.tolist() == [is_syslog]
        assert found.sources == [line.split()[4].partition("[")[0] if is_syslog else None]
        assert found.ticks.tolist() == [expected if is_syslog else NO_TIME]


@given(st.datetimes(datetime(1971, 1, 1), timezones=st.timezones(no_cache=False)))
def test_dates_of_mail_are_as_in_the_library(moment: datetime) -> None:
    """An independent reader of the same text."""
    text = format_datetime(moment)
    expected = ticks_of(parsedate_to_datetime(text))
    assert Dated().read([text.encode()], RULES).ticks.tolist() == [
        expected if expected >= 0 else NO_TIME
    ]


def columns_of(fields: Fields) -> list[tuple[int, str | None, tuple[str, ...], bool]]:
    return list(
        zip(
            fields.ticks.tolist(),
            fields.sources,
            fields.tags,
            fields.is_parsed.tolist(),
            strict=True,
        )
    )


KNOWN = [*(line for line, _ in LOGHUB), *(line for line, _ in DATED), ACCESS, "<34>1 - h a - - -", "<1>Nov 23 10:15:00 h a[1]: x"]  # fmt: skip
LINES = (
    st.sampled_from([each.encode() for each in KNOWN])
    | st.binary().map(lambda each: each.replace(b"\n", b""))
    | st.tuples(st.sampled_from(KNOWN), st.binary(max_size=4), st.integers(0, 60)).map(
        lambda each: each[0].encode()[: each[2]] + each[1] + each[0].encode()[each[2] :]
    )
)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
@given(lines=st.lists(LINES, max_size=30))
def test_a_line_is_read_as_if_it_were_alone(format_: Format, lines: list[bytes]) -> None:
    """And none raises, whatever its bytes are."""
    rules = RULES._replace(keys=(*SYSLOG_KEYS, *COMBINED_KEYS))
    together = columns_of(format_.read(lines * 3, rules))
    alone = [each for line in lines for each in columns_of(format_.read([line], rules))]
    assert together == alone * 3
    for _, _, tags, _ in together:
        assert not any("," in tag or "\n" in tag for tag in tags)


MANY = 1 << 20
HOSTILE = [
    b"{" * MANY,
    b"9" * MANY,
    b" " * MANY,
    b"- " * (MANY // 2),
    b"\0" * MANY,
    b"\xff" * MANY,
    b"[" * MANY,
    b"[1" * (MANY // 2),
    b"\\" * MANY,
    b"a:" * (MANY // 2),
    b"2026-11-23T10:15:00." + b"1" * MANY,
    b"2026-11-23T10:15:00Z " + b"h" * MANY,
    b"2026-11-23T10:15:00Z h " + b"a" * MANY,
    b"2026-11-23T10:15:00Z h a[" + b"1" * MANY,
    b"<34>1 2026-11-23T10:15:00Z h a 1 " + b"m" * MANY,
    b"<" + b"1" * MANY,
    ACCESS[:60].encode() + b"x" * MANY,
    ACCESS[:60].encode() + b"\\" * MANY,
    ACCESS[:60].encode() + b'\\"' * (MANY // 2),
    ACCESS[:60].encode() + b" x" * (MANY // 2),
    ACCESS.encode() + b' "' + b"\\a" * (MANY // 2),
    ACCESS.encode() + b' "-" "' + b"a" * MANY,
]  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
@pytest.mark.parametrize("line", HOSTILE, ids=lambda each: repr(each[:12] + each[-12:]))
def test_hostile_lines_cost_linear_time(format_: Format, line: bytes) -> None:
    """A step for each pair of their bytes would not end within a test's time."""
    fields = format_.read([line] * 2, RULES._replace(keys=(*SYSLOG_KEYS, *COMBINED_KEYS)))
    assert len(fields.ticks) == 2
    assert all(len(tag) < 256 for tags in fields.tags for tag in tags)
