"""How the cost of our work grows with the store."""

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmark import mounts, work
from benchmark.answers import count_lines
from benchmark.data import Data, copy_store
from benchmark.events import RARE_EVENTS, Extent, web_minutes
from benchmark.table import Growth, Measurement, checked

__all__ = ["WORK", "Work", "growths", "web"]

_ECHOES = 2_000


class _Place(NamedTuple):
    """The store that work is done on.

    Attributes:
        data: all data.
        extent: how much is in the store.
        lines_size: what is appended as lines, in bytes.
    """

    data: Data
    extent: Extent
    lines_size: int

    @property
    def store(self) -> Path:
        """The directory of the store."""
        return self.data.store(self.extent)

    @property
    def lines(self) -> Path:
        """The file of lines to append."""
        return self.data.lines(self.lines_size)


class Work(NamedTuple):
    """A piece of work.

    Attributes:
        what: its name.
        run: does it.
        expected: how many events it has to have.
    """

    what: str
    run: Callable[[_Place], Measurement]
    expected: Callable[[_Place], int]


def growths(
    data: Data, little: Extent, much: Extent, lines_size: int, repetitions: int
) -> Iterator[Growth]:
    """Measure each piece of work on the extent *little* and on *much*.

    Args:
        data: all data.
        little: how much is in a store.
        much: how much is in a larger one.
        lines_size: what is appended as lines, in bytes.
        repetitions: how often everything is run.

    Raises:
        WrongAnswer: if something has another number of events than there are.
    """
    small, large = (_Place(data, extent, lines_size) for extent in (little, much))
    for each in WORK:
        yield _growth(each, small, large, repetitions)
    yield from _backfills(small, large)


def _growth(each: Work, small: _Place, large: _Place, repetitions: int) -> Growth:
    return Growth(each.what, _median(each, small, repetitions), _median(each, large, repetitions))


def _median(each: Work, place: _Place, repetitions: int) -> Measurement:
    expected = each.expected(place)
    runs = [checked(each.what, "ours", each.run(place), expected) for _ in range(repetitions)]
    return Measurement(statistics.median(run.seconds for run in runs), expected)


def _fresh(do: Callable[[Path], Measurement], place: _Place) -> Measurement:
    return work.on_mount(place.store, do)


def _warm(do: Callable[[Path], Measurement], place: _Place) -> Measurement:
    with mounts.mounted(place.store) as mountpoint:
        do(mountpoint / "minutes")
        return do(mountpoint / "minutes")


def _mounting(place: _Place) -> Measurement:
    """Mount the store of *place*; the time may grow with all its events, not with the few it lists."""
    names = list(islice(web_minutes(place.extent), work.LISTED_NAMES))
    _, answer = work.first_answer(place.store, names)
    checked("mount", "ours", answer, len(names))
    return Measurement(answer.seconds, place.extent.total)


def _lines(place: _Place) -> Measurement:
    return _added(place, partial(work.append, path=place.lines))


def _echoes(place: _Place) -> Measurement:
    return _added(place, partial(work.echo, times=_ECHOES))


def _added(place: _Place, do: Callable[[Path], float]) -> Measurement:
    """Call *do* on a mount of a copy of the store of *place*, and count the events it added."""
    store = place.data.fresh("ingested")
    copy_store(place.store, store)
    with mounts.mounted(store) as mountpoint:
        seconds = do(mountpoint)
    return Measurement(seconds, work.stored_events(store) - place.extent.total)


def _backfills(small: _Place, large: _Place) -> list[Growth]:
    """Append all events of each place to an empty store, once, because this takes long by itself."""
    what = "cat day.frames >> ingest, all of it"
    runs = [
        work.ingest(place.data.frames(place.extent), place.data.fresh("ingested"))
        for place in (small, large)
    ]
    for place, (taken, _) in zip((small, large), runs, strict=True):
        checked(what, "ours", taken, place.extent.total)
    (small_taken, small_whole), (large_taken, large_whole) = runs
    return [
        Growth(what, small_taken, large_taken),
        Growth(f"{what}, and theiafs umount", small_whole, large_whole),
    ]


def _total(place: _Place) -> int:
    return place.extent.total


def web(place: _Place) -> int:
    """Count the events of *place* that have the tag ``web``."""
    return place.extent.web


WORK = (
    Work("cat by-tag/web/events", partial(_fresh, work.web_events), web),
    Work("cat by-tag/web/*", partial(_fresh, work.web_files), web),
    Work(
        f"cat by-tag/rare/events ({RARE_EVENTS} events)",
        partial(_fresh, work.rare_events),
        lambda _: RARE_EVENTS,
    ),
    Work("cat minutes/*, warm", partial(_warm, work.cat_minutes), _total),
    Work(
        "grep -rc ERROR minutes, warm",
        partial(_warm, work.grep_errors),
        lambda place: place.extent.errors,
    ),
    Work(
        "ls -f minutes",
        partial(_fresh, work.list_minutes),
        lambda place: place.extent.minutes,
    ),
    Work("mount, to the first answer of ls by-tag/web", _mounting, _total),
    Work(
        "cat lines.log >> ingest, into the store",
        _lines,
        lambda place: count_lines(place.lines.read_bytes()),
    ),
    Work(f"{_ECHOES:,} times echo x >> ingest, into the store", _echoes, lambda _: _ECHOES),
)
