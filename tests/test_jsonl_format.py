"""Lines of JSON: the objects of the loggers in use, lines of events, and whatever else a line may be."""

import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from store import Event
from store.format.event import split_tags
from store.format.record import decode_text
from tests.formats import HOSTILE, RULES, check_rows, lines, objects, read_rows, shown
from tests.renderings import edges_of, parsed, records
from theiafs.formats import members
from theiafs.formats.fields import NO_TIME
from theiafs.formats.jsonl import Jsonl
from theiafs.rendering.jsonl import JsonlView
from theiafs.rendering.times import SHOWN_TICKS_MAX

JSONL = Jsonl()
LINE = '{"timestamp":"2026-11-23T10:15:00.1234567Z","id":"1","source":"nginx","tags":["a"],"level":null,"message":"x"}'

LOGGERS = {
    "pino": (
        '{"level":30,"time":1531171074631,"pid":657,"hostname":"web-1","name":"shop","msg":"hello world"}',
        ("2018-07-09T21:17:54.6310000Z", "shop", "info"),
    ),
    "bunyan": (
        '{"name":"myapp","hostname":"banana.local","pid":40161,"level":40,"msg":"hi","time":"2013-01-04T18:46:23.851Z","v":0}',
        ("2013-01-04T18:46:23.8510000Z", "myapp", "warning"),
    ),
    "zap": (
        '{"level":"error","ts":1485057843.3449461,"logger":"db","caller":"zap/main.go:20","msg":"Failed to fetch","attempt":3}',
        ("2017-01-22T04:04:03.3449461Z", "db", "err"),
    ),
    "logrus": (
        '{"animal":"walrus","level":"warning","msg":"The group increased","omg":true,"time":"2014-03-10 19:57:38.562543128 -0400 EDT"}',
        ("2014-03-10T23:57:38.5625431Z", None, "warning"),
    ),
    "zerolog": (
        '{"level":"debug","app":"worker","time":1516134303,"message":"hello world"}',
        ("2018-01-16T20:25:03.0000000Z", "worker", "debug"),
    ),
    "slog": (
        '{"time":"2022-11-08T15:28:26.123456789-05:00","level":"INFO","source":{"function":"main.main","file":"m.go","line":3},"msg":"hello"}',
        ("2022-11-08T20:28:26.1234567Z", None, "info"),
    ),
    "structlog": (
        '{"user":"x","event":"logged in","logger":"auth","level":"critical","timestamp":"2022-10-10T10:10:10.123456Z"}',
        ("2022-10-10T10:10:10.1234560Z", "auth", "crit"),
    ),
    "python-json-logger": (
        '{"asctime": "2024-05-05 10:00:00,123", "name": "app.db", "levelname": "ERROR", "message": "x", "ratio": NaN}',
        ("2024-05-05T10:00:00.1230000Z", "app.db", "err"),
    ),
    "ECS": (
        '{"@timestamp":"2019-08-06T12:09:12.375Z","log.level":"WARN","message":"m","service.name":"petclinic","log.logger":"org.x.Y"}',
        ("2019-08-06T12:09:12.3750000Z", "petclinic", "warning"),
    ),
    "ECS, nested": (
        '{"@timestamp":"2020-03-20T14:12:46.123Z","log":{"level":"debug","logger":"app","origin":{"line":3}},"message":"m","ecs":{"version":"1"}}',
        ("2020-03-20T14:12:46.1230000Z", "app", "debug"),
    ),
    "Logstash": (
        '{"@timestamp":"2019-11-03T10:15:30.123+01:00","@version":"1","message":"m","logger_name":"org.x.Y","level":"INFO","level_value":20000}',
        ("2019-11-03T09:15:30.1230000Z", "org.x.Y", "info"),
    ),
    "GELF": (
        '{"version":"1.1","host":"example.org","short_message":"A short message","timestamp":1385053862.3072,"level":1,"_user_id":9001}',
        ("2013-11-21T17:11:02.3072000Z", None, "alert"),
    ),
    "Docker": (
        '{"log":"ERROR no space left\\n","stream":"stderr","time":"2019-01-01T11:11:11.111111119Z"}',
        ("2019-01-01T11:11:11.1111111Z", None, "err"),
    ),
    "Serilog": (
        '{"@t":"2016-06-07T03:44:57.8532799Z","@mt":"Hello, {User}","@l":"Warning","User":"n","SourceContext":"App.Program"}',
        ("2016-06-07T03:44:57.8532799Z", "App.Program", "warning"),
    ),
    "MongoDB": (
        '{"t":{"$date":"2020-05-01T15:16:17.180+02:00"},"s":"E","c":"NETWORK","id":12345,"ctx":"listener","msg":"m","attr":{"port":1}}',
        ("2020-05-01T13:16:17.1800000Z", None, "err"),
    ),
    "caddy": (
        '{"level":"info","ts":1646861401.5241024,"logger":"http.log.access","msg":"handled request","request":{"method":"GET"},"status":200}',
        ("2022-03-09T21:30:01.5241024Z", "http.log.access", "info"),
    ),
    "hclog": (
        '{"@level":"trace","@message":"m","@module":"vault.core","@timestamp":"2021-08-11T10:10:27.012345Z"}',
        ("2021-08-11T10:10:27.0123450Z", "vault.core", "trace"),
    ),
    "Monolog": (
        '{"message":"m","context":[],"level":400,"level_name":"ERROR","channel":"app","datetime":"2020-01-02T03:04:05.678901+00:00"}',
        ("2020-01-02T03:04:05.6789010Z", None, "err"),
    ),
    "OpenTelemetry": (
        '{"timeUnixNano":"1581452773000000789","severityNumber":9,"severityText":"Info","body":{"stringValue":"x"}}',
        ("2020-02-11T20:26:13.0000007Z", None, "info"),
    ),
    "journalctl": (
        '{"PRIORITY":"3","__REALTIME_TIMESTAMP":"1700000000000001","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"m"}',
        ("2023-11-14T22:13:20.0000010Z", "sshd", "err"),
    ),
}  # fmt: skip
"""A line of each, and its time, source and level."""


@pytest.mark.parametrize("logger", LOGGERS)
def test_loggers(logger: str) -> None:
    line, expected = LOGGERS[logger]
    assert shown(line, JSONL) == expected


def test_loggers_in_one_block() -> None:
    check_rows(JSONL, [line.encode() for line, _ in LOGGERS.values()] * 20, RULES)


def test_members_may_be_anywhere_and_spelled_as_json_allows() -> None:
    line = ' { "x" : [ {"time":1} , "time" ], "t\\u0069me" : "2026-11-23T10:15:00Z" , "name":"caf\\u00e9" } \r'
    assert shown(line, JSONL)[:2] == ("2026-11-23T10:15:00.0000000Z", "café")


@pytest.mark.parametrize(
    ("line", "time", "source"),
    [
        # The first that is one counts.
        ('{"time":"soon","ts":1700000000,"@timestamp":"2026"}', 17 * 10**15, None),
        ('{"time":null,"timestamp":{},"ts":true,"@t":1700000000}', 17 * 10**15, None),
        ('{"name":"a","logger":"b","source":"c"}', NO_TIME, "c"),
        ('{"source":"","service":{"name":"x"},"name":3}', NO_TIME, "x"),
        ('{"service":{"id":3},"name":"y"}', NO_TIME, "y"),
        # Not sources, but texts.
        ('{"source":"a\\nb","logger":"c\\u001b[2J"}', NO_TIME, None),
        ('{"source":"%s"}' % ("x" * 256), NO_TIME, None),
        # Twice the same name, and no name at all.
        ('{"time":1,"time":1700000000}', 17 * 10**15, None),
        ("{}", NO_TIME, None),
        # To the tick, though no float is.
        ('{"ts":1700000000.1234567}', 17_000_000_001_234_567, None),
        ('{"ts":1700000000123.4567}', 17_000_000_001_234_567, None),
        ('{"ts":1700000000123456789}', 17_000_000_001_234_567, None),
        # Numbers that are no times.
        ('{"ts":-1}', NO_TIME, None),
        ('{"ts":1e999}', NO_TIME, None),
        ('{"ts":99999999999999999999999999}', NO_TIME, None),
        ('{"ts":%s}' % ("9" * 4000), NO_TIME, None),
        # Not JSON, but written by many: by Python, and by JavaScript where it cuts a text within a character.
        ('{"ts":1700000000,"name":"x","ratio":-Infinity}', 17 * 10**15, "x"),
        ('{"ts":1700000000,"name":"x","msg":"cut \\ud83d"}', 17 * 10**15, "x"),
        ('{"ts":1700000000,"name":"cut \\ud83d"}', 17 * 10**15, "cut ?"),
    ],
)  # fmt: skip
def test_first_members(line: str, time: int, source: str | None) -> None:
    (row,) = read_rows(JSONL, [line.encode()])
    assert (row.ticks, row.source, row.is_parsed) == (time, source, True)


def test_numbers_are_numbers_among_texts() -> None:
    times = [
        b"2026", b"20261123", b"5", b'"2026-11-23T10:15:00Z"', b"-1", b"1.5", b'{"$date":1700000000123}', b"[5]", b"%d" % 2**64,
    ]  # fmt: skip
    drawn = [b'{"time":%b}' % time for time in times]
    check_rows(JSONL, drawn, RULES)
    ticks = [row.ticks for row in read_rows(JSONL, drawn)]
    assert ticks[:3] == [2026 * 10**7, 20_261_123 * 10**7, 5 * 10**7]
    assert ticks[4:] == [NO_TIME, 15_000_000, 17_000_000_001_230_000, NO_TIME, NO_TIME]


def test_times_without_an_offset_are_of_the_zone() -> None:
    rules = RULES._replace(zone=ZoneInfo("Europe/Berlin"))
    assert (
        shown('{"time":"2026-07-01 12:00:00"}', JSONL, rules)[0] == "2026-07-01T10:00:00.0000000Z"
    )


def test_keys_become_tags() -> None:
    """Within other members too, as they are spelled in the line; what is no text, no number and no truth does not."""
    keys = ("status", "req.method", "a.b.c", "ok", "took")
    line = b'{"status":500,"req":{"method":"GET"},"a.b":{"c":"x,y"},"ok":true,"took":0.10,"time":1700000000}'
    rows = read_rows(
        JSONL,
        [line, b'{"status":null,"req.method":"PUT","a":{"b":{"c":[]}},"ok":{}}', b"{}"],
        RULES._replace(keys=keys),
    )
    assert [row.tags for row in rows] == [
        ("status=500", "req.method=GET", "a.b.c=x%2Cy", "ok=true", "took=0.10"),
        ("req.method=PUT",),
        (),
    ]


@given(lines)
def test_any_lines(drawn: list[bytes]) -> None:
    check_rows(JSONL, drawn, RULES._replace(keys=("status", "req.method", "name", "time")))


@given(objects)
def test_every_object_is_in_the_format(line: bytes) -> None:
    assert read_rows(JSONL, [line])[0].is_parsed == isinstance(json.loads(line), dict)


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:20]))
def test_a_hostile_line_costs_only_itself(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is decoded once, and its neighbours are what they are alone."""
    decoded: list[bytes | str] = []
    make = members._decoder

    def counting(names: tuple[str, ...] | None) -> members.Decode:
        decode = make(names)

        def decode_and_note(line: bytes | str) -> members.Object:
            decoded.append(line)
            return decode(line)

        return decode_and_note

    monkeypatch.setattr(members, "_decoder", counting)
    good = b'{"time":1700000000,"name":"x"}'
    before, found, after = read_rows(JSONL, [good, line, good])
    assert before == after == (17 * 10**15, "x", (), True, None)
    assert not found.is_parsed
    assert decoded == [good, line, good]


@given(records())
def test_every_event_can_be_had_back(record: bytes) -> None:
    """Exactly, whatever bytes it has; times after 9999 are shown as the last tick of that year."""
    line = JsonlView().render(record, edges_of([record])).removesuffix(b"\n")
    header, content = parsed(record)
    expected = Event(
        decode_text(header.id),
        decode_text(header.source),
        tags=split_tags(decode_text(header.tags)),
        content=decode_text(content),
        ticks=min(header.ticks, SHOWN_TICKS_MAX),
    )
    (row,) = read_rows(JSONL, [line])
    assert row.event == expected
    assert read_rows(JSONL, [b"{}", line, b"x", line])[1::2] == [row, row]


def test_events_may_be_spelled_otherwise() -> None:
    """As other programs spell JSON."""
    spelled = json.dumps(json.loads(LINE), indent=1, sort_keys=True).replace("\n", " ")
    assert read_rows(JSONL, [spelled.encode()]) == read_rows(JSONL, [LINE.encode()])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"id":"1",', ""),
        ('"level":null,', ""),
        ('"id":"1"', '"id":1'),
        ('"id":"1"', '"id":"1\\n2"'),
        ('"nginx"', '"a\\nb"'),
        ('["a"]', '"a"'),
        ('["a"]', '["a,b"]'),
        ('["a"]', '[""]'),
        ('["a"]', "[1]"),
        ('"x"}', '"x","more":1}'),
        ('"x"}', '"x","message_base64":"%"}'),
        ('"x"}', '"x","id_base64":1}'),
        ('"x"}', '"x","tags_base64":"YQ=="}'),
        ('"x"}', '"x","tags_base64":["%"]}'),
        ('"x"}', '"x","source_base64":"Cg=="}'),
        ('"2026-11-23T10:15:00.1234567Z"', '"soon"'),
    ],
)
def test_other_objects_are_lines(old: str, new: str) -> None:
    """Those that no event is rendered as."""
    (row,) = read_rows(JSONL, [LINE.replace(old, new).encode()])
    assert row.is_parsed
    assert row.event is None
