"""Importing into a store: every line once, with its own time, however often it is imported."""

import gzip
import os
import re
import stat
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import Event, open_store
from tests.imports import events_in, import_into

START_S = 1_764_000_000
"""A time in November 2025."""


def dated(second: int, text: str) -> str:
    return f"{datetime.fromtimestamp(START_S + second, UTC):%Y-%m-%d %H:%M:%SZ} {text}"


def write(path: Path, *lines: str, changed_s: int = START_S) -> Path:
    """Write lines into a file that was last changed at a time."""
    path.write_bytes(b"".join(line.encode("utf-8", "surrogateescape") + b"\n" for line in lines))
    os.utime(path, (changed_s, changed_s))
    return path


def shown(events: list[Event]) -> list[tuple[int, str, list[str], str | None]]:
    """Return what events say, their times in seconds from the start."""
    return [
        (event.ticks // 10**7 - START_S, str(event.source), event.tags, event.content)
        for event in events
    ]


def test_lines_come_in_with_their_own_times(tmp_path: Path) -> None:
    """The source is the name of the file, without what compression and rotation added."""
    log = write(tmp_path / "app.log", dated(0, "one"), dated(60, "two"), dated(61, "three"))
    done = import_into(tmp_path / "events", log)
    assert done == (
        0,
        f"{log}: 3 events, 3 imported\n"
        "  from 2025-11-24T16:00:00.000000Z to 2025-11-24T16:01:01.000000Z\n",
        f"{log}: dated (3 of 3 events)\n",
    )
    assert shown(events_in(tmp_path / "events")) == [
        (second, "app.log", [], dated(second, text))
        for second, text in [(0, "one"), (60, "two"), (61, "three")]
    ]


def test_what_is_there_is_not_imported_again(tmp_path: Path) -> None:
    """But the rest of a file that has grown is."""
    store, log = tmp_path / "events", tmp_path / "app.log"
    lines = [dated(number // 3, "equal") for number in range(10)]
    write(log, *lines)
    import_into(store, log)
    before = events_in(store)
    assert len(before) == 10
    assert ": 10 events, 0 imported, 10 already there\n" in import_into(store, log).output
    assert events_in(store) == before
    write(log, *lines, lines[-1], dated(4, "new"))
    assert ": 12 events, 2 imported, 10 already there\n" in import_into(store, log).output
    assert Counter(event.content for event in events_in(store)) == Counter(
        [*lines, lines[-1], dated(4, "new")]
    )


LINES = st.lists(
    st.tuples(st.none() | st.integers(0, 200), st.sampled_from(["a", "b", "\udcff"])), max_size=12
)


def text_of(line: tuple[int | None, str]) -> str:
    second, text = line
    return text if second is None else dated(second, text)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(LINES, LINES, st.booleans(), st.booleans())
def test_every_line_is_there_once_however_it_came(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[int | None, str]],
    second: list[tuple[int | None, str]],
    is_compressed: bool,
    is_imported_before: bool,
) -> None:
    """Two files of one log, imported in any portions: the same events, ids included, as from one import."""
    tmp_path = tmp_path_factory.mktemp("import")
    old, new = map(text_of, [(0, "begins"), *first]), map(text_of, [(300, "begins"), *second])
    older = write(tmp_path / "app.log.1", *old)
    newer = write(tmp_path / "app.log", *new)
    options = ["--format", "dated", "--multiline", "none"]
    import_into(tmp_path / "once", *options, older, newer)
    expected = events_in(tmp_path / "once")
    assert len(expected) == len(first) + len(second) + 2
    if is_imported_before:
        import_into(tmp_path / "twice", *options, older)
    if is_compressed:
        moved = older.with_suffix(".2.gz")
        moved.write_bytes(gzip.compress(older.read_bytes()))
        os.utime(moved, (START_S, START_S))
        older = moved
    for _ in range(2):
        done = import_into(tmp_path / "twice", *options, newer, older)
        assert done.status == 0
        found = events_in(tmp_path / "twice")
        assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_equal_lines_of_two_hosts_stay_two_events(tmp_path: Path) -> None:
    """Told apart by their source, by their tags, or by their places in one command."""
    line = dated(0, "started")
    logs = [write(tmp_path / name, line) for name in ("a.log", "b.log")]
    import_into(tmp_path / "sources", *logs)
    assert len(events_in(tmp_path / "sources")) == 2
    for host, log in zip("ab", logs, strict=True):
        import_into(tmp_path / "tags", "--source", "app", "--tag", f"host={host}", log)
    assert [event.tags for event in events_in(tmp_path / "tags")] == [["host=a"], ["host=b"]]
    for _ in range(2):
        import_into(tmp_path / "places", "--source", "app", *logs)
        assert len(events_in(tmp_path / "places")) == 2


def test_events_that_came_otherwise_are_left_alone(tmp_path: Path) -> None:
    """Those in the same minute, and in others, whatever their ids are."""
    store = tmp_path / "events"
    store.mkdir()
    records = write(
        tmp_path / "records",
        "event: 60 56 4\nid:x\ntimestamp: 1764000001.0000000\nsource:app.log\ntags:\nline\n",
    )
    assert import_into(store, records).errors == f"{records}: theia, events as they are\n"
    log = write(tmp_path / "app.log", dated(1, "line"))
    for count in (1, 0):
        assert f" {count} imported" in import_into(store, log).output
        assert len(events_in(store)) == 2


def test_times_that_lines_do_not_say(tmp_path: Path) -> None:
    """Those of the lines before them, or after them; of none, that of the last change of the file."""
    log = write(tmp_path / "app.log", "begins", dated(5, "x"), "goes on", dated(9, "y"), "ends")
    options = ["--format", "dated", "--multiline", "none"]
    done = import_into(tmp_path / "some", *options, log)
    assert "  1 time guessed: that of the first line that has one\n" in done.output
    assert "  2 times guessed: that of the line before\n" in done.output
    assert [each[0] for each in shown(events_in(tmp_path / "some"))] == [5, 5, 5, 9, 9]
    plain = write(tmp_path / "plain.log", "one", "two", changed_s=START_S + 77)
    refused = import_into(tmp_path / "none", plain)
    assert refused.status == 1
    assert "no known format; --format lines imports the lines" in refused.errors
    assert not (tmp_path / "none").exists()
    done = import_into(tmp_path / "none", "--format", "lines", plain)
    assert "  2 times guessed: that of the last change of the file" in done.output
    assert [each[0] for each in shown(events_in(tmp_path / "none"))] == [77, 77]


def test_what_is_not_in_the_format_is_told_and_tagged(tmp_path: Path) -> None:
    """With the numbers of the first ten lines."""
    lines = [dated(number, "x") for number in range(40)]
    lines[3:30:2] = ["!"] * 14
    log = write(tmp_path / "app.log", *lines)
    done = import_into(tmp_path / "events", "--format", "dated", "--multiline", "none", log)
    assert "14 times guessed: that of the line before" in done.output
    assert (
        "14 not in the format, tagged unparsed: lines 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, ...\n"
        in done.output
    )
    tagged = [event for event in events_in(tmp_path / "events") if event.tags == ["unparsed"]]
    assert [event.content for event in tagged] == ["!"] * 14


def test_lines_that_are_too_long_are_told(tmp_path: Path) -> None:
    """And the status says that something is missing, each time."""
    log = write(tmp_path / "app.log", dated(1, "x"), dated(2, "y" * 5000), dated(3, "z"))
    for option in ("--dry-run", "--tz=UTC", "--tz=UTC"):
        done = import_into(tmp_path / "events", "--max-event", "4K", option, log)
        assert "  1 line too long, left out: line 2\n" in done.output
        assert done.status == 1
    assert [each[0] for each in shown(events_in(tmp_path / "events"))] == [1, 3]


def test_years_that_are_missing_are_those_before_the_last_change(tmp_path: Path) -> None:
    """A log of last year is of last year, and the user is told."""
    changed_s = int(datetime(2019, 1, 2, tzinfo=UTC).timestamp())
    lines = ["Dec 31 23:59:59 web sshd[1]: x", "Jan  1 00:00:01 web sshd[1]: y"]
    log = write(tmp_path / "auth.log", *lines, changed_s=changed_s)
    done = import_into(tmp_path / "events", log, "--tz", "Europe/Berlin", "--keys", "host,pid")
    assert done.errors == (
        f"{log}: syslog (2 of 2 events); times are of Europe/Berlin;"
        " years are the last before its last change, in 2019\n"
    )
    assert "from 2018-12-31T22:59:59.000000Z to 2018-12-31T23:00:01.000000Z" in done.output
    assert {str(event.source) for event in events_in(tmp_path / "events")} == {"sshd"}
    assert events_in(tmp_path / "events")[0].tags == ["host=web", "pid=1"]


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    """And says what an import will do: whether there is a store or not."""
    store = tmp_path / "events"
    log = write(tmp_path / "app.log", dated(0, "one"), dated(60, "two"))
    done = import_into(store, "--dry-run", log)
    assert ": 2 events, 2 would be imported\n" in done.output
    assert not store.exists()
    import_into(store, log)
    write(log, dated(0, "one"), dated(60, "two"), dated(61, "three"))
    before = {path: path.stat().st_mtime_ns for path in store.iterdir() if path.is_file()}
    done = import_into(store, "--dry-run", log)
    assert ": 3 events, 1 would be imported, 2 already there\n" in done.output
    after = {path: path.stat().st_mtime_ns for path in store.iterdir() if path.is_file()}
    assert after == before


def test_events_as_json_and_as_records_keep_their_ids(tmp_path: Path) -> None:
    """So that a part of another store is imported once, whichever way it came."""
    log = write(tmp_path / "app.log", *(dated(number, "x") for number in range(100)))
    import_into(tmp_path / "a", log)
    expected = events_in(tmp_path / "a")
    records = b"".join(path.read_bytes() for path in sorted((tmp_path / "a").glob("[0-9]*")))
    (tmp_path / "records.gz").write_bytes(gzip.compress(records))
    for count in (100, 0):
        assert f", {count} imported" in import_into(tmp_path / "b", tmp_path / "records.gz").output
        assert events_in(tmp_path / "b") == expected
    import_into(tmp_path / "tagged", "--tag", "old", "--source", "s", tmp_path / "records.gz")
    found = events_in(tmp_path / "tagged")
    assert [event.id for event in found] == [event.id for event in expected]
    assert all(event.tags == ["old"] and event.source == "s" for event in found)


def test_damage_between_records_is_told(tmp_path: Path) -> None:
    write(tmp_path / "app.log", dated(0, "one"), dated(1, "two"))
    import_into(tmp_path / "a", tmp_path / "app.log")
    [minute] = (tmp_path / "a").glob("[0-9]*")
    data = minute.read_bytes()
    (tmp_path / "records").write_bytes(data + b"event: 7 damage\n" + data)
    for new in (2, 0):
        done = import_into(tmp_path / "b", tmp_path / "records")
        assert f"4 events, {new} imported, {4 - new} already there" in done.output
        assert "16 bytes left out: no records" in done.output
        assert done.status == 1
    (tmp_path / "records").write_bytes(data + data)
    assert import_into(tmp_path / "b", tmp_path / "records").status == 0


def test_other_files_are_imported_when_one_cannot_be(tmp_path: Path) -> None:
    """One that is missing, one of no format, and one that is cut short: what is whole of it is imported."""
    good = write(tmp_path / "good.log", dated(0, "good"))
    cut = tmp_path / "cut.log.gz"
    lines = [dated(number, f"{number:x}" * 50) for number in range(20_000)]
    cut.write_bytes(gzip.compress("\n".join(lines).encode())[:-5000])
    odd = write(tmp_path / "odd.log", "no", "format")
    done = import_into(tmp_path / "events", tmp_path / "missing.log", odd, cut, good)
    assert done.status == 1
    complaints = [line for line in done.errors.splitlines() if line.startswith("theiafs: ")]
    assert len(complaints) == 3
    assert complaints[0] == f"theiafs: {tmp_path}/missing.log: No such file or directory"
    assert complaints[1].startswith(f"theiafs: {odd}: no known format")
    assert complaints[2].startswith(f"theiafs: {cut}: ")
    missing = "  1 file not imported to the end\n"
    for each in (tmp_path / "missing.log", odd):
        assert f"{each}: 0 events, 0 imported\n{missing}" in done.output
    [of_cut] = re.findall(rf"^{re.escape(str(cut))}: .*(?:\n  .*)*\n", done.output, re.MULTILINE)
    assert of_cut.endswith(missing)
    assert done.output.endswith("\n  3 files not imported to the end\n")
    contents = [event.content for event in events_in(tmp_path / "events")]
    assert dated(0, "good") in contents
    assert 0 < len(contents) - 1 < len(lines)
    assert set(contents) <= {*lines, dated(0, "good")}


def test_a_log_with_several_lines_an_event(tmp_path: Path) -> None:
    """Stack traces stay with the line before them, whatever cuts the file into blocks."""
    trace = 'Traceback (most recent call last):\n  File "x", line 1\nValueError: bad'
    lines = [dated(number, f"failed\n{trace}") for number in range(3000)]
    log = write(tmp_path / "app.log", *lines)
    done = import_into(tmp_path / "events", log)
    assert ": 3,000 events, 3,000 imported\n" in done.output
    assert [event.content for event in events_in(tmp_path / "events")] == lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tag", "a,b"], "--source or --tag: "),
        (["--source", "a\nb"], "--source or --tag: "),
        (["--tz", "Mars/Olympus"], "option 'tz=Mars/Olympus': invalid value for tz"),
        (["--keys", "a b"], "option 'keys=a b': invalid value for keys"),
        (["--max-event", "1X"], "option 'max_event=1X': invalid value for max_event"),
        (["--multiline", "start=("], "--multiline"),
    ],
)
def test_an_option_that_means_nothing_is_refused(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    log = write(tmp_path / "app.log", dated(0, "x"))
    done = import_into(tmp_path / "events", *arguments, log)
    assert done.status == 1
    assert done.errors.startswith("theiafs: ")
    assert message in done.errors
    assert not (tmp_path / "events").exists()


def test_a_destination_that_is_no_store_is_refused(tmp_path: Path) -> None:
    log = write(tmp_path / "app.log", dated(0, "x"))
    done = import_into(log, log)
    assert (done.status, done.output) == (1, "")
    assert "is not a directory" in done.errors
    assert stat.S_ISREG(log.stat().st_mode)


def test_names_of_files_cannot_control_the_terminal(tmp_path: Path) -> None:
    """Nor begin a line; as a source, such a name is one line."""
    log = write(tmp_path / "a\n\x1b[2J.log", dated(0, "x"))
    done = import_into(tmp_path / "events", log)
    assert done.status == 0
    assert "\x1b" not in done.output + done.errors
    assert [event.source for event in events_in(tmp_path / "events")] == ["a \x1b[2J.log"]


@pytest.mark.parametrize("new", [1, 2, 3])
@pytest.mark.parametrize("known", [0, 1, 2, 5])
def test_a_log_of_several_programs_grows(tmp_path: Path, known: int, new: int) -> None:
    """Whether the new events are of one of them, or of all."""
    log, store = tmp_path / "app.log", tmp_path / "events"
    lines = [
        f"Nov 23 10:15:{number:02} host {program}[1]: x"
        for number, program in enumerate(
            ["sshd", "cron", "sshd", "sshd", "su", "cron", "cron", "su"]
        )
    ]
    write(log, *lines[:known])
    import_into(store, log)
    write(log, *lines[: known + new])
    assert f"{new} imported" in import_into(store, log).output
    assert [event.content for event in events_in(store)] == lines[: known + new]
    sources = {line.split()[4].partition("[")[0] for line in lines[: known + new]}
    with closing(open_store(str(store))) as opened:
        assert opened.sources() == sources
