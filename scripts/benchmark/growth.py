"""How the cost of our work grows with the store."""

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmark import mounts, work
from benchmark.cases import Scale
from benchmark.data import Data, Extent, copy_store
from benchmark.table import Growth, Measurement

__all__ = ["growths"]

_ECHOES = 2_000


def growths(data: Data, scale: Scale) -> Iterator[Growth]:
    """Everything that is compared with a peer, on little and on ten times as much."""
    for what, run in _WORK.items():
        small, large = (
            _median([run(data, extent, scale) for _ in range(scale.growth_repetitions)])
            for extent in (scale.small, scale.large)
        )
        yield Growth(what, small, large)
    small, large = (
        work.ingest(data.frames(extent), data.fresh("ingested"))[0]
        for extent in (scale.small, scale.large)
    )
    yield Growth("cat day.frames >> ingest, all of it", small, large)


def _median(runs: list[Measurement]) -> Measurement:
    return Measurement(statistics.median(run.seconds for run in runs), runs[0].events)


def _fresh(
    do: Callable[[Path], Measurement], data: Data, extent: Extent, _scale: Scale
) -> Measurement:
    return work.on_mount(data.store(extent), do)


def _warm(
    do: Callable[[Path], Measurement], data: Data, extent: Extent, _scale: Scale
) -> Measurement:
    with mounts.mounted(data.store(extent)) as mountpoint:
        do(mountpoint / "minutes")
        return do(mountpoint / "minutes")


def _mounting(data: Data, extent: Extent, _scale: Scale) -> Measurement:
    seconds = work.first_answer(data.store(extent))[1].seconds
    return Measurement(seconds, extent.minutes * extent.events)


def _lines(data: Data, extent: Extent, scale: Scale) -> Measurement:
    """Into a store that holds so much already."""
    path = data.lines(scale.lines_size)
    before, seconds, after = _added(data, extent, lambda mountpoint: work.append(mountpoint, path))
    return Measurement(seconds, after - before)


def _echoes(data: Data, extent: Extent, _scale: Scale) -> Measurement:
    before, seconds, after = _added(data, extent, lambda mountpoint: work.echo(mountpoint, _ECHOES))
    return Measurement(seconds, after - before)


def _added(data: Data, extent: Extent, do: Callable[[Path], float]) -> tuple[int, float, int]:
    store = data.fresh("ingested")
    copy_store(data.store(extent), store)
    with mounts.mounted(store) as mountpoint:
        seconds = do(mountpoint)
    return extent.minutes * extent.events, seconds, work.stored_events(store)


_WORK: dict[str, Callable[[Data, Extent, Scale], Measurement]] = {
    "cat by-tag/web/events": partial(_fresh, work.web_events),
    "cat by-tag/web/*": partial(_fresh, work.web_files),
    "cat by-tag/rare/events (150 events)": partial(_fresh, work.rare_events),
    "cat minutes/*, warm": partial(_warm, work.cat_minutes),
    "grep -rc ERROR minutes, warm": partial(_warm, work.grep_errors),
    "ls -f minutes": partial(_fresh, work.list_minutes),
    "mount, to the first answer of ls by-tag/web": _mounting,
    "cat lines.log >> ingest, into the store": _lines,
    f"{_ECHOES:,} times echo x >> ingest, into the store": _echoes,
}
