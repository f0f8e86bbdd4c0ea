"""The benchmark: that its data are what they are said to be, and that only right answers count. No times."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from benchmark import growth, mounts
from benchmark.__main__ import DOCUMENT, main
from benchmark.answers import count_lines, counted
from benchmark.commands import printed, run, started, wait_for
from benchmark.comparisons import Result, Rival, alone, compare
from benchmark.data import Data, copy_store
from benchmark.document import document, figures
from benchmark.events import (
    RARE_EVENTS,
    RARE_WORD,
    Extent,
    frame,
    minute_events,
    minute_name,
    web_minutes,
)
from benchmark.memory import Memory
from benchmark.mounts import wait_until_mounted
from benchmark.peers import tags_line
from benchmark.scale import FULL, QUICK, Scale
from benchmark.table import (
    Growth,
    Measurement,
    Row,
    Target,
    WrongAnswer,
    checked,
    growth_table,
    met,
    table,
)
from benchmark.work import LISTED_NAMES, count_right_names, ingest

from store import TICKS_PER_S, open_store
from tests.waiting import eventually
from theiafs.formats.combined import Combined
from theiafs.formats.fields import Format, Rules
from theiafs.formats.jsonl import Jsonl
from theiafs.formats.syslog import Syslog

EXTENT = Extent(minutes=20, events=1000)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path, None, lambda store: None)


def test_a_quarter_of_the_events_has_the_tag_and_150_the_rare_one() -> None:
    tags = Counter(
        tag
        for minute in range(EXTENT.minutes)
        for event in minute_events(EXTENT, minute)
        for tag in event.tags
    )
    assert tags["web"] == EXTENT.minutes * EXTENT.events // 4
    assert tags["rare"] == RARE_EVENTS
    assert len(tags) == 9


@pytest.mark.parametrize(
    "extent",
    [EXTENT, Extent(20, 1000, have_levels=True), Extent(3, 7), Extent(7, 333), Extent(1, 20_500)],
)
def test_what_is_known_of_the_events_is_so(extent: Extent) -> None:
    minutes = [list(minute_events(extent, minute)) for minute in range(extent.minutes)]
    events = [event for minute in minutes for event in minute]
    assert extent.total == len(events)
    assert extent.web == sum("web" in event.tags for event in events)
    assert extent.errors == sum("ERROR" in event.content for event in events)
    assert list(web_minutes(extent)) == [
        minute_name(number)
        for number, minute in enumerate(minutes)
        if any("web" in event.tags for event in minute)
    ]


def test_every_event_is_as_it_was_ordered() -> None:
    events = [*minute_events(EXTENT, 0), *minute_events(EXTENT, 1)]
    assert len({event.id for event in events}) == 2 * EXTENT.events
    assert len({event.source for event in events}) == 20
    assert all(1 <= len(event.tags) <= 3 for event in events)
    assert all(
        20 <= len(event.content.partition(f" {RARE_WORD}")[0]) <= 40 and event.content.isascii()
        for event in events
    )
    assert all((RARE_WORD in event.content) == ("rare" in event.tags) for event in events)
    assert any("ERROR" in event.content for event in events)
    assert events == sorted(events, key=lambda event: event.timestamp)


def test_the_store_reads_what_was_made(data: Data) -> None:
    path = data.store(Extent(minutes=3, events=100))
    assert len(list(path.iterdir())) == 3
    store = open_store(str(path))
    try:
        assert len(list(store.search(ts_start=0))) == 300
        assert len(list(store.search(ts_start=0, flags=["rare"]))) == RARE_EVENTS
    finally:
        store.close()


def test_what_is_looked_for_in_the_plain_files_are_the_events_with_the_tag(data: Data) -> None:
    text = data.frames(EXTENT).read_text()
    assert len(re.findall(tags_line("web"), text, re.MULTILINE)) == EXTENT.web
    assert len(re.findall(tags_line("rare"), text, re.MULTILINE)) == RARE_EVENTS
    for line in ("tags:", "tags:webs", "tags:api,cobweb", "content of tags:web"):
        assert not re.search(tags_line("web"), line)
    assert all(len(frame(event).splitlines()) == 7 for event in minute_events(EXTENT, 0))


def test_frames_are_the_minutes_one_after_the_other(data: Data) -> None:
    extent = Extent(minutes=3, events=10)
    minutes = sorted(data.store(extent).iterdir())
    assert data.frames(extent).read_bytes() == b"".join(path.read_bytes() for path in minutes)
    assert minutes[0].read_text().startswith(frame(next(iter(minute_events(extent, 0)))))


def test_what_was_made_is_kept(data: Data) -> None:
    made = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_text("made")

    assert data.made("thing", make) == data.made("thing", make)
    assert len(made) == 1


def test_a_store_is_prepared_once_in_each_run(tmp_path: Path) -> None:
    prepared: list[Path] = []
    for _ in range(2):
        run = Data(tmp_path, None, prepared.append)
        assert run.store(Extent(2, 10)) == run.store(Extent(2, 10))
    assert len(prepared) == 2


def test_what_was_made_in_part_is_made_again(data: Data) -> None:
    extent = Extent(minutes=2, events=10)
    path = data.directory / "store-2x10"
    path.mkdir()
    (path / "1-61").touch()
    assert len(list(data.store(extent).iterdir())) == 2


def test_lines_are_repeated_until_there_are_enough(data: Data, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_bytes(b"one\r\n\n  \ntwo")
    (logs / "b.log").write_bytes(b"three\n")
    real = Data(tmp_path / "data", logs, data.prepare)
    assert real.lines(20).read_bytes() == b"one\ntwo\nthree\n" * 2
    assert data.lines(1000).stat().st_size >= 1000


@pytest.mark.parametrize(
    ("name", "log_format"),
    [("app.jsonl", Jsonl()), ("access.log", Combined()), ("syslog", Syslog())],
)
def test_logs_are_in_their_formats(data: Data, name: str, log_format: Format) -> None:
    """Each line is, and its time is in the day of the other events; requests overlap."""
    path = data.log(name, 1_000_000)
    assert 1_000_000 <= path.stat().st_size < 1_001_000
    lines = path.read_bytes().splitlines()
    start = Extent.start_s(0) * TICKS_PER_S
    fields = log_format.read(lines, Rules(UTC, start + TICKS_PER_S))
    assert fields.is_parsed.all()
    assert (fields.ticks >= start).all()
    assert (np.diff(fields.ticks) > -TICKS_PER_S).all()


def test_a_copy_may_be_written_to(data: Data, tmp_path: Path) -> None:
    path = data.store(Extent(minutes=2, events=10))
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_store(path, copy)
    assert sorted(each.name for each in copy.iterdir()) == sorted(
        each.name for each in path.iterdir()
    )
    for each in copy.iterdir():
        each.unlink()
    assert len(list(path.iterdir())) == 2


def runs(*seconds: float) -> list[Measurement]:
    return [Measurement(each, 100) for each in seconds]


def test_a_ratio_is_the_median_of_those_of_each_turn() -> None:
    row = Row("work", "peer", runs(1, 2, 9), runs(2, 2, 3), Target(1))
    assert row.ratios == [0.5, 1, 3]
    assert row.is_met
    assert row.cells() == [
        "work",
        "2 s",
        "peer: 2 s",
        "1 (0.5 to 3)",
        "at most 1",
        "yes",
    ]


def test_a_time_beyond_its_target_is_not_met() -> None:
    row = Row("work", "peer", runs(3, 3), runs(2, 2), Target(1))
    assert not row.is_met
    assert "**no**" in row.cells()


def test_of_rates_more_is_better() -> None:
    row = Row("work", "peer", runs(1), runs(2), Target(1.5, is_rate=True))
    assert row.ratios == [2]
    assert row.is_met
    assert row.cells()[1:3] == ["100/s", "peer: 50/s"]


def test_a_time_may_have_a_target_without_a_peer() -> None:
    assert Row("work", "", runs(1, 2, 9), target=Target(2)).is_met
    row = Row("work", "", runs(1, 3, 9), target=Target(2))
    assert row.cells() == ["work", "3 s", "-", "-", "at most 2 s", "**no**"]


def test_a_row_may_have_no_peer() -> None:
    assert Row("a | b", "", runs(1)).is_met is None
    assert "| a \\| b | 1 s | - | - | - | - |" in table([Row("a | b", "", runs(1))])


def test_growth_of_times_and_of_events_are_shown_side_by_side() -> None:
    text = growth_table([Growth("work", Measurement(1, 10), Measurement(3, 100))], "day", "week")
    assert "| work | 1 s | 3 s | 3x | 10x |" in text


def test_another_number_of_events_is_a_wrong_answer() -> None:
    run = Measurement(1, 5)
    assert checked("work", "ours", run, 5) is run
    with pytest.raises(WrongAnswer, match="ours has 5, and there are 6"):
        checked("work", "ours", run, 6)
    with pytest.raises(WrongAnswer, match="ours has 0"):
        checked("work", "ours", Measurement(1, 0), 0)


def test_ours_and_a_peer_that_agree_on_a_wrong_count_fail() -> None:
    ours, peer, wrong = (partial(Measurement, 1.0, events) for events in (5, 5, 4))
    [row] = compare("work", 2, ours, [Rival("peer", peer, None)], 5)
    assert (len(row.ours), len(row.peers)) == (2, 2)
    with pytest.raises(WrongAnswer, match="peer has 4"):
        compare("work", 2, ours, [Rival("peer", wrong, None)], 5)
    with pytest.raises(WrongAnswer, match="ours has 4"):
        compare("work", 2, wrong, [Rival("peer", wrong, None)], 5)
    with pytest.raises(WrongAnswer, match="ours has 4"):
        alone("work", 1, wrong, 5)


def test_a_listing_is_right_when_it_begins_with_the_minutes() -> None:
    names = list(islice(web_minutes(EXTENT), LISTED_NAMES))
    listing = "".join(f"{name}\n" for name in names)
    assert count_right_names(names, listing.encode()) == LISTED_NAMES
    assert count_right_names(names, b"1-2\n" + listing.encode()) == 0
    assert count_right_names(names, b"") == 0


@pytest.mark.parametrize("makes_index", [True, False])
def test_a_store_is_filled_with_an_index_or_without_as_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, makes_index: bool
) -> None:
    @contextmanager
    def mounted(store: Path) -> Iterator[Path]:
        index = store / ".theiafs/index.sqlite"
        if makes_index:
            index.parent.mkdir(exist_ok=True)
            if index.exists():
                index.rmdir()
            index.touch()
        yield tmp_path

    monkeypatch.setattr(mounts, "mounted", mounted)
    (tmp_path / "frames").touch()
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    ingest(tmp_path / "frames", tmp_path / "right", has_index=makes_index)
    with pytest.raises(WrongAnswer, match="with an index" if makes_index else "without an index"):
        ingest(tmp_path / "frames", tmp_path / "wrong", has_index=not makes_index)


@pytest.mark.parametrize(
    ("mib", "has_room", "stays"),
    [
        ((30, 140, 138, 139, 145), True, True),
        ((30, 140, 150, 160, 170), True, False),
        ((30, 251, 251, 251, 251), False, True),
        ((260, 100, 100, 100, 106), False, False),
    ],
)
def test_memory_has_two_targets(mib: tuple[float, ...], has_room: bool, stays: bool) -> None:
    """The most there is, and what is added from the second time on: the first fills what is kept."""
    text = str(Memory(mib))
    assert ", ".join(map(str, mib)) in text
    assert f"target: at most 250 MiB; met: {met(has_room)}." in text
    assert f"target: at most 5 MiB; met: {met(stays)}." in text


def test_a_document_stands_for_itself() -> None:
    """Machine, data, everything that was measured, and how to repeat it."""
    comparison = Row("work", "peer", runs(1), runs(2))
    grown = Growth("work", Measurement(1, 10), Measurement(3, 100))
    measured = figures([comparison], ["A remark."], [grown], FULL)
    text = document(measured, FULL, ["--lines", "DIR"], ["a.log", "b.log"], "a machine", "a peer 1")
    assert "`scripts/bench --lines DIR`" in text
    assert "\nMachine: a machine.\n" in text
    assert "\nCompared with: a peer 1.\n" in text
    assert "those of a.log, b.log" in text
    for extent in (FULL.day, FULL.year):
        assert f"{extent.minutes:,} minutes of {extent.events:,}" in text
    assert "\n\n| what | ours |" in text
    assert "\n\nA remark.\n\n" in text
    assert "\n\n| what | 1,440,000 events | 14,400,000 events |" in text
    assert text.index("## Notes") > text.index("14,400,000 events")
    assert "made up, " not in text
    assert "are made up. " in document(measured, FULL, [], [], "a machine", "a peer 1")


def test_nothing_is_written_when_something_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(data: Data, scale: Scale) -> Result:
        raise WrongAnswer("ours has none")

    monkeypatch.setattr("benchmark.__main__.CASES", {"wrong": wrong})
    before = DOCUMENT.read_text()
    arguments = ["bench", "--only", "wrong", "--write", "--directory", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    assert main() == 1
    assert "wrong: ours has none" in capsys.readouterr().err
    assert DOCUMENT.read_text() == before


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_what_grows_is_ten_times_as_much(scale: Scale) -> None:
    assert scale.large.events == scale.small.events
    assert scale.large.minutes == 10 * scale.small.minutes


def test_growth_counts_too(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events of both sizes are checked: an answer that does not grow with the store is wrong."""
    works = [
        growth.Work("right", lambda place: Measurement(1, place.extent.web), growth.web),
        growth.Work("wrong", lambda place: Measurement(1, 1000), growth.web),
    ]
    monkeypatch.setattr(growth, "WORK", works)
    few, many = Extent(4, 1000), Extent(40, 1000)
    grown = growth.growths(data, few, many, lines_size=1, repetitions=2)
    assert next(grown) == Growth("right", Measurement(1, 1000), Measurement(1, 10_000))
    with pytest.raises(WrongAnswer, match="ours has 1,000, and there are 10,000"):
        next(grown)


def has_ended(pid: str) -> bool:
    try:
        return "\nState:\tZ" in Path("/proc", pid, "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_waiting_for_a_command_times_out(tmp_path: Path) -> None:
    """A command that hangs is killed together with its children."""
    noted = tmp_path / "child"
    noted.touch()
    with started(["bash", "-c", f"sleep 600 & echo $! >{noted}; wait"]) as process:
        eventually(lambda: noted.read_text().endswith("\n"))
        with pytest.raises(subprocess.TimeoutExpired):
            wait_for(process, 0)
    eventually(lambda: has_ended(noted.read_text().strip()))
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sleep", "600"], seconds=0)


def test_a_command_that_fails_is_no_answer() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        counted("echo half an answer; exit 3", count_lines)
    assert counted("echo one; echo two", count_lines).events == 2
    assert printed(["echo", "told"]) == "told\n"


def test_waiting_for_a_mount_times_out(tmp_path: Path) -> None:
    with (
        started(["sleep", "600"]) as process,
        pytest.raises(TimeoutError, match="nothing is mounted"),
    ):
        wait_until_mounted(tmp_path, process, 0.1)
    assert process.returncode
    with (
        started(["false"]) as process,
        pytest.raises(ChildProcessError, match="ended with 1"),
    ):
        wait_until_mounted(tmp_path, process, 60)
