"""The sizes of the data in a run."""

from dataclasses import dataclass

from benchmark.events import Extent

__all__ = ["FULL", "QUICK", "Scale"]


@dataclass(frozen=True)
class Scale:
    """The sizes of the data, and the numbers of repetitions.

    Attributes:
        day: what is queried.
        year: a store of many minutes.
        ingested: what is appended as frames.
        small: what growth starts from.
        large: ten times as much.
        hot_events: events in one minute.
        lines_size: what is appended as lines, in bytes.
        echoes: how many single lines.
        repetitions: how often each comparison is run.
        growth_repetitions: how often what grows is run.
    """

    day: Extent
    year: Extent
    ingested: Extent
    small: Extent
    large: Extent
    hot_events: int
    lines_size: int
    echoes: int
    repetitions: int
    growth_repetitions: int


FULL = Scale(
    day=Extent(1440, 1000),
    year=Extent(525_600, 10),
    ingested=Extent(1440, 1000),
    small=Extent(1440, 1000),
    large=Extent(14_400, 1000),
    hot_events=3_350_000,
    lines_size=200_000_000,
    echoes=10_000,
    repetitions=5,
    growth_repetitions=3,
)
# Within five minutes on two slow cores, making the data included. One store is both the day and the large one.
QUICK = Scale(
    day=Extent(720, 1000),
    year=Extent(43_200, 10),
    ingested=Extent(144, 1000),
    small=Extent(72, 1000),
    large=Extent(720, 1000),
    hot_events=335_000,
    lines_size=20_000_000,
    echoes=2_000,
    repetitions=3,
    growth_repetitions=1,
)
