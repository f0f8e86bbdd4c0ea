"""Levels: found out from tags and contents as users of logs expect, and in columns the same."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store.format import level_columns
from store.format.contents import find_contents
from store.format.level_columns import levels_of
from store.format.levels import EXAMINED_SIZE, HEAD_SIZE, LEVELS, SPELLINGS, level_of, parse_level


def name_of(content: bytes, tags: bytes = b"") -> str:
    """Return the name of the level of an event, or an empty one."""
    return ("", *LEVELS)[level_of(tags, content)]


@pytest.mark.parametrize("name", LEVELS)
def test_names_are_levels(name: str) -> None:
    """In any case, wherever a level may be said."""
    assert parse_level(name) == parse_level(name.upper()) == LEVELS.index(name) + 1
    for content in (
        f"2026-11-23 10:15:00,123 {name.upper()} [main] text",
        f"[{name}] text",
        f"daemon: {name}: text",
        f"{name.capitalize()}: text",
        json.dumps({"msg": "ERROR or CRITICAL", "level": name}),
        f"ts=1 level={name.title()} msg=ALERT",
    ):
        assert name_of(content.encode()) == name
    assert name_of(b"ALERT: text", b"a,level=" + name.encode()) == name


@pytest.mark.parametrize("word", ["", "e", "3", "30", "errors", "web", "level=err"])
def test_words_that_are_no_level(word: str) -> None:
    """Numbers and letters are levels only in fields."""
    assert parse_level(word) is None


@pytest.mark.parametrize(
    ("content", "name"),
    [
        # Real formats.
        ("[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6", "err"),
        ("[Fri Sep 09 10:42:29 2011] [core:error] [pid 35708] text", "err"),
        ("2026/11/23 10:15:00 [warn] 123#0: *1 text", "warning"),
        ("17/06/09 20:10:40 INFO executor.CoarseGrainedExecutorBackend: text", "info"),
        ("2015-07-29 17:41:44,747 - WARN  [RecvWorker:188978561024] - text, error = ", "warning"),
        ("Dec 10 07:51:15 LabSZ sshd[24324]: error: Received disconnect", "err"),
        ("Jun 15 04:06:20 combo logrotate: ALERT exited abnormally with [1]", "alert"),
        ("NetworkManager[1]: <info>  [1700000000.1] manager: text", "info"),
        ("2026-11-23 10:15:00 [info     ] text   key=error", "info"),
        ("[2026-11-23 10:15:00,123: WARNING/MainProcess] text", "warning"),
        ("2026-11-23 10:15:00.000 | DEBUG    | module:func:1 - text", "debug"),
        ("[10:15:00 FTL] text", "crit"),
        ("fail: Microsoft.AspNetCore.Server[13]", "err"),
        ("panic: runtime error: index out of range", "emerg"),
        ("SEVERE: text", "err"),
        ("2026-11-23 10:15:00 UTC [1] FATAL:  password authentication failed", "crit"),
        ("<34>Oct 11 22:14:15 mymachine su: text INFO", "crit"),
        ("<3>text", "err"),
        ("<191>1 - - - - - - text", "debug"),
        ('time="2026-11-23T10:15:00Z" level=warning msg="ERROR"', "warning"),
        ('ts=1 lvl="eror" severity=E text', "err"),
        ('{"level":30,"time":1700000000000,"msg":"ERROR"}', "info"),
        ('{"@timestamp":"2026","log.level":"error","message":"text"}', "err"),
        ('{"a":{"level":"x"},"log":{"level":"warn"}}', "warning"),
        ('{"version":"1.1","host":"h","short_message":"text","level":5}', "notice"),
        ('{"MESSAGE":"text","PRIORITY":"6"}', "info"),
        ('{"severityNumber":17,"body":"text"}', "err"),
        ('{"time":"2026","level":"ERROR+2","msg":"text"}', "err"),
        ('{"t":{"$date":"2026"},"s":"W","c":"NETWORK"}', "warning"),
        ('{"@t":"2026","@l":"Fatal","@mt":"text"}', "crit"),
        ('{"@level":"warn","@message":"text","@module":"core","@timestamp":"2026"}', "warning"),
        ('{"message":"text","context":[],"level":400,"level_name":"ERROR"}', "err"),
        ('{"level":"info","msg":"cut o', "info"),
        ('{"msg":"say \\"level\\":\\"error\\"","level":"info"}', "info"),
        ('{"level":"high","severity":"low","lvl":"debug"}', "debug"),
        ('{"error":"none","msg":"WARN low"}', "warning"),
        ("{not json, ERROR}", "err"),
        # No level is said.
        ("", ""),
        ("no error, all is fine, warn them", ""),
        ("NON-FATAL Level.INFO ERROR_CODE /INFO/ status=ERROR ERRORS 1ERR INFO.txt", ""),
        ("std::error::Error", ""),
        ("my-error: org.error: path/error: xerror:", ""),
        ("[not an error] [error 5] (error) <error", ""),
        ("<192>text <x> <>", ""),
        ("sealevel=err level=3 level=errors level=", ""),
        ('{"level":null,"severity":true,"lvl":[3],"msg":"text"}', ""),
        ('{"a":{"level":"error"}}', ""),
        ("[" + " " * 9 + "error]", ""),
        ("\xe9ERROR ERROR\xe9", ""),
        # The first one counts.
        ("warn: ERROR", "warning"),
        ("ERROR warn:", "err"),
        ("errors [Debug] ERROR", "debug"),
    ],
)
def test_contents(content: str, name: str) -> None:
    """Those of loggers in use, and those that only look like them."""
    assert name_of(content.encode()) == name
    assert in_columns([(b"", content.encode())]) == [level_of(b"", content.encode())]


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (b"level=err", "err"),
        (b"a,level=WARN,level=err", "warning"),
        (b"level=what,level=debug", "debug"),
        (b"level=what", "info"),
        (b"xlevel=err,level", "info"),
        (b"", "info"),
    ],
)
def test_tags_come_first(tags: bytes, name: str) -> None:
    """The content counts where they say nothing."""
    assert name_of(b"INFO text", tags) == name


@pytest.mark.parametrize("word", [b"ERROR", b"[error]", b"error:", b"level=error"])
def test_words_far_from_the_start_say_nothing(word: bytes) -> None:
    """They may begin in the first 128 bytes and end after them."""
    start = HEAD_SIZE - (2 if word.startswith(b"[") else 1)
    for before, expected in ((start, "err"), (start + 1, "")):
        content = b" " * before + word + b" text"
        assert name_of(content) == expected
        assert in_columns([(b"", content)]) == [level_of(b"", content)]


def in_columns(events: list[tuple[bytes, bytes]]) -> list[int]:
    """Return the levels of events with these tags and contents, found in columns."""
    records = [record_of(tags, content) for tags, content in events]
    edges = np.array(list(itertools.accumulate(map(len, records), initial=0)))
    data = b"".join(records)
    return list(levels_of(data, edges, find_contents(data, edges)))


def record_of(tags: bytes, content: bytes) -> bytes:
    """Encode an event, also with tags that are not canonical."""
    header = b"id:level=err\ntimestamp: 1.0000000\nsource:x,level=err\ntags:%b\n" % tags
    sizes = (len(header) + len(content), len(header), len(content))
    return b"event: %d %d %d\n%b%b\n\n" % (*sizes, header, content)


names = st.sampled_from([*SPELLINGS, "level", "x", "errors", "information"])
spelled = names.flatmap(lambda name: st.sampled_from([name, name.upper(), name.capitalize()]))
joints = st.sampled_from(
    [
        *" :[]<>={}\"'|,;./-_\n\t\xe9",
        "::",
        " ",
        "  ",
        "[ ",
        " ]",
        '{"',
        '":"',
        '","',
        "3",
        "<3>",
        " " * 60,
        "x" * 50,
    ]
)
pieces = st.one_of(spelled, spelled, joints, joints, st.text(max_size=3))
contents = st.lists(pieces, max_size=12).map(lambda found: "".join(found).encode())
tag_lists = st.sampled_from(
    [
        b"",
        b"",
        b"web",
        b"level=err",
        b"a,level=Warn",
        b"level=x,level=3",
        b"xlevel=err",
        b"b=1,level",
    ]
)


@given(st.lists(st.tuples(tag_lists, contents), max_size=12))
@example([(b"", b"x" * (EXAMINED_SIZE - 1) + b"INFO")])
def test_columns_agree(events: list[tuple[bytes, bytes]]) -> None:
    """With what is found out one by one."""
    assert in_columns(events) == [level_of(*event) for event in events]


def test_words_are_found_without_examining_events_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether each event has one or none has; only one with a field is examined."""
    examined = []

    def count(content: bytes) -> int:
        examined.append(content)
        return 0

    monkeypatch.setattr(level_columns, "level_in_content", count)
    texts = [
        "2026-11-23 10:15:00,123 INFO main",
        "[Sun Dec 04 2005] [error] text",
        "x[1]: Fatal: text",
        "no: error",
    ]
    events = [(b"web,level=err", text.encode()) for text in texts] * 3000
    assert in_columns(events) == [LEVELS.index("err") + 1] * len(events)
    assert in_columns([(b"", content) for _, content in events]) == [7, 4, 3, 0] * 3000
    assert not examined
    in_columns([(b"", b"level=info"), (b"", b'{"level":"info"}'), (b"", b"uid=0 EUID=1")])
    assert examined == [b"level=info", b'{"level":"info"}']


@pytest.mark.parametrize(
    "content",
    [
        b'{"level":' + b"[" * 100_000,
        b'{"a":{}, "level":' + b"9" * 100_000 + b"}",
        b'{"' + b"\\" * 100_000,
        b'{"level"' * 20_000,
        b"[" + b" " * 100_000 + b"error]",
        b"ERROR_" * 20_000,
    ],
)
def test_hostile_contents(content: bytes) -> None:
    """They say nothing, and cost no more than others of their size."""
    assert level_of(b"", content) == 0
    assert in_columns([(b"", content)]) == [0]
