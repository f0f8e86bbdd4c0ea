"""The comparisons of what is asked of contents: regular expressions, levels, lines, patterns."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmark import mounts, peers
from benchmark.answers import count_lines, count_openings, counted
from benchmark.commands import run, started, wait_for
from benchmark.comparisons import Result, Rival, alone, compare
from benchmark.data import Data, copy_store
from benchmark.events import RARE_EVENTS, RARE_WORD, SOURCES, Extent, minute_events
from benchmark.scale import Scale
from benchmark.table import Measurement, Row, Target, WrongAnswer, checked
from benchmark.work import on_mount

__all__ = ["QUERIES"]

_LEVEL = "by-level/error/count"

_RARE_PATTERNS = (r"(\w+\s){3}after", "(x+x+)+y")
"""Patterns that only the rare events match, and that matchers with backtracking are slow at."""

_HOSTILE_PATTERNS = (
    *_RARE_PATTERNS, "[^z]*zzz", "(?s).*.*.*=.*", "(a|b|ab)*c", r"(?:\pL+\s?){9}q", r"\pL{40}", r"\C{0,300}zz", r"\Azz|zz\z",
)  # fmt: skip

_STAT_PAUSE_S, _REST_PAUSE_S = 0.002, 0.1

_REST_S = 6.0
"""What is found out of minutes that have changed within the last five seconds is not kept in the index yet."""


def lines(data: Data, scale: Scale) -> Result:
    """Read all events as lines, and those that a regular expression selects."""
    store = data.store(scale.day)
    journal = peers.journal(data, scale.day)
    # Once before, so that the index has the sizes of all lines.
    on_mount(store, lambda root: _lines(root / "events.log"))
    on_mount(store, lambda root: _lines(root / "events.jsonl"))
    frames = Rival(
        "cat events", partial(on_mount, store, lambda root: _records(root / "events")), Target(3)
    )
    rows = [
        row
        for view in ("log", "jsonl")
        for row in compare(
            f"cat events.{view}",
            scale.repetitions,
            partial(on_mount, store, partial(_lines_in, f"events.{view}")),
            [frames],
            scale.day.total,
        )
    ]
    search = Rival(
        "journalctl -g ERROR", partial(peers.search_journal, journal, "ERROR"), Target(1 / 4)
    )
    ours = partial(on_mount, store, lambda root: _lines(root / "match/ERROR/events.log"))
    rows += compare(
        "cat match/ERROR/events.log", scale.repetitions, ours, [search], scale.day.errors
    )
    return Result(rows)


def match(data: Data, scale: Scale) -> Result:
    """Count the events that match a regular expression."""
    day, year = data.store(scale.day), data.store(scale.year)
    on_mount(
        year, lambda root: _count(root / "match/no event has this/count")
    )  # it builds the filters
    rows = compare(
        f"cat match/{RARE_WORD}/count in the year, first after mounting",
        scale.repetitions,
        partial(on_mount, year, lambda root: _count(root / f"match/{RARE_WORD}/count")),
        [
            Rival(
                "rg over the plain files",
                partial(peers.search_plain_files, year, RARE_WORD),
                Target(1 / 4),
            )
        ],
        RARE_EVENTS,
    )
    contents = peers.contents(data, scale.day)
    for pattern in _RARE_PATTERNS:
        search = partial(peers.search_plain_files, day, pattern)
        filter_in = partial(peers.lnav, contents, pattern)
        rows += compare(
            f"cat match/{pattern}/count",
            scale.repetitions,
            partial(on_mount, day, partial(_matching, pattern)),
            [
                Rival("rg over the plain files", search, Target(4)),
                Rival("lnav -n over the contents as lines", filter_in, None),
            ],
            RARE_EVENTS,
        )
    return Result(rows, (_stats_while_matching(day),))


def levels(data: Data, scale: Scale) -> Result:
    """Count the errors, when no level was asked for before, again, and after mounting again."""
    rows = []
    for kind, target in (("one event in eight has", 4), ("each event has", 15)):
        extent = scale.day._replace(have_levels=kind.startswith("each"))
        store = _without_levels(data, extent)
        first: list[Measurement] = []
        second: list[Measurement] = []
        mounted_again: list[Measurement] = []
        searched: list[Measurement] = []
        copies = [data.fresh(f"asked-for-levels-{number}") for number in range(scale.repetitions)]
        for copy in copies:
            copy_store(store, copy)
        _wait_for_rest(store)  # the files of all are the same
        for copy in copies:
            with mounts.mounted(copy) as mountpoint:
                for measured in (first, second):
                    found = _count(mountpoint / _LEVEL)
                    measured.append(checked(kind, "ours", found, extent.errors))
            with mounts.mounted(copy) as mountpoint:
                found = _count(mountpoint / _LEVEL)
                mounted_again.append(checked(kind, "ours", found, extent.errors))
            searched.append(
                checked(kind, "rg", peers.search_plain_files(store, "ERROR"), extent.errors)
            )
        what = f"cat {_LEVEL}, {kind} a word for its level"
        rows.append(
            Row(
                f"{what}, the first time",
                "rg ERROR over the plain files",
                first,
                searched,
                Target(target),
            )
        )
        rows.append(Row(f"{what}, the second time", "", second, target=Target(0.01)))
        rows.append(Row(f"{what}, after mounting again", "", mounted_again))
    return Result(rows)


def _wait_for_rest(store: Path) -> None:
    """Wait until no minute file of *store* has changed for _REST_S seconds: a hard link to one changes its ctime."""
    changed = max(each.stat().st_ctime for each in store.iterdir() if each.is_file())
    while time.time() < changed + _REST_S:
        time.sleep(_REST_PAUSE_S)


def patterns(data: Data, scale: Scale) -> Result:
    """Generalise the contents to patterns."""
    store = data.store(scale.ingested)
    contents = peers.contents(data, scale.ingested)
    rival = Rival("drain3", partial(peers.drain, contents), Target(1 / 10))
    ours = partial(
        on_mount, store, lambda root: counted(f"exec cat {root}/patterns", _sum_of_first_words)
    )
    return Result(compare("cat patterns", 1, ours, [rival], scale.ingested.total))


def composed(data: Data, scale: Scale) -> Result:
    """Count what several filters select together."""
    store = data.store(scale.day)
    source, first, last = SOURCES[0], scale.day.minutes // 2, scale.day.minutes // 2 + 60
    expected = sum(
        "web" in event.tags and event.source != source and "ERROR" in event.content
        for minute in range(first, last)
        for event in minute_events(scale.day, minute)
    )
    hour = f"{scale.day.start_s(first)}..{scale.day.start_s(last) - 1}.9999999"
    path = f"by-tag/web/not/by-source/{source}/by-level/error+/range/{hour}/count"
    with mounts.mounted(store) as mountpoint:
        row = alone(f"cat {path}", scale.repetitions, partial(_count, mountpoint / path), expected)
    return Result([Row(row.what, "", row.ours, target=Target(0.02))])


QUERIES: dict[str, Callable[[Data, Scale], Result]] = {
    "events-log": lines,
    "match": match,
    "levels": levels,
    "patterns": patterns,
    "composed": composed,
}


def _count(path: Path) -> Measurement:
    """Read the number in the file at *path*."""
    return counted(f"exec cat '{path}'", int)


def _matching(pattern: str, mountpoint: Path) -> Measurement:
    """Count the events below *mountpoint* that match *pattern*."""
    return _count(mountpoint / "match" / pattern / "count")


def _lines_in(name: str, mountpoint: Path) -> Measurement:
    """Read the lines of the file *name* at the top of *mountpoint*."""
    return _lines(mountpoint / name)


def _lines(path: Path) -> Measurement:
    """Read the lines of the file at *path*."""
    return counted(f"exec cat '{path}'", count_lines)


def _records(path: Path) -> Measurement:
    """Read the records of the file at *path*."""
    return counted(f"exec cat '{path}'", count_openings)


def _sum_of_first_words(output: bytes) -> int:
    return sum(int(line.split(b"\t", 1)[0]) for line in output.splitlines())


def _without_levels(data: Data, extent: Extent) -> Path:
    """Return a store of *extent* with an index that was just rebuilt: the level of no event is known."""
    store = data.store(extent)
    fresh = data.fresh(f"without-levels-{extent}")
    copy_store(store, fresh)
    run(mounts.reindex_command(fresh), stderr=subprocess.DEVNULL)
    return fresh


def _stats_while_matching(store: Path) -> str:
    """Return a remark about how long a stat of a minute takes while all of *store* is searched for hostile patterns."""
    with mounts.mounted(store) as mountpoint:
        names = sorted(os.listdir(mountpoint / "minutes"))
        seconds: list[float] = []
        for pattern in _HOSTILE_PATTERNS:
            with started(
                ["cat", str(mountpoint / "match" / pattern / "count")], subprocess.DEVNULL
            ) as process:
                while _is_running(process):
                    seconds.append(_stat(mountpoint / "minutes" / names[len(seconds) % len(names)]))
            if process.returncode:
                raise WrongAnswer(f"match/{pattern}/count cannot be read")
    worst = statistics.quantiles(seconds, n=100)[-1]
    return (
        f"While {len(_HOSTILE_PATTERNS)} patterns that are slow elsewhere were searched for in the day, one after the other,"
        f" 99 of 100 stats of a minute took at most {worst * 1000:.1f} ms (of {len(seconds):,}; the longest"
        f" {max(seconds) * 1000:.0f} ms). Target: at most 100 ms; met: {'yes' if worst <= 0.1 else '**no**'}."
    )


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    """Return whether *process* still runs after the pause between two stats."""
    try:
        wait_for(process, _STAT_PAUSE_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _stat(path: Path) -> float:
    """Return the seconds that a stat of *path* takes."""
    began = time.perf_counter()
    path.stat()
    return time.perf_counter() - began
