"""The table: what was compared with what, and how it came out."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "Growth",
    "Measurement",
    "Row",
    "Target",
    "WrongAnswer",
    "checked",
    "growth_table",
    "met",
    "table",
]


class WrongAnswer(Exception):
    """A run that must not be compared: mostly, its answer has the wrong number of events."""


class Measurement(NamedTuple):
    """One run.

    Attributes:
        seconds: how long it took.
        events: how many events it read or appended.
    """

    seconds: float
    events: int


@dataclass(frozen=True)
class Target:
    """A ratio to reach.

    Attributes:
        ratio: ours divided by the peer's; where there is no peer, the seconds of ours.
        is_rate: whether events per second are compared, of which more is better, and not times.
    """

    ratio: float
    is_rate: bool = False

    def is_met(self, ratio: float) -> bool:
        """Return whether *ratio* reaches the target."""
        return ratio >= self.ratio if self.is_rate else ratio <= self.ratio

    def __str__(self) -> str:
        return f"{'at least' if self.is_rate else 'at most'} {_number(self.ratio)}"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: the work.
        against: the peer; empty when there is none.
        ours: our runs.
        peers: the peer's runs, each right after ours of the same number.
        target: what is to be reached; None when it is only to be known.
        shows_rate: whether to show events per second where there is no target.
    """

    what: str
    against: str
    ours: Sequence[Measurement]
    peers: Sequence[Measurement] = ()
    target: Target | None = None
    shows_rate: bool = False

    @property
    def is_rate(self) -> bool:
        """Whether it is about events per second."""
        return self.target.is_rate if self.target else self.shows_rate

    @property
    def ratios(self) -> list[float]:
        """Ours divided by the peer's, for each pair of runs."""
        pairs = zip(self.ours, self.peers, strict=True) if self.peers else []
        return [self._value(ours) / self._value(peer) for ours, peer in pairs]

    @property
    def is_met(self) -> bool | None:
        """Whether the median ratio, or time, reaches the target; None when there is none."""
        if self.target is None:
            return None
        return self.target.is_met(
            statistics.median(self.ratios or [run.seconds for run in self.ours])
        )

    def median_seconds(self) -> tuple[float, float]:
        """Return the median seconds of ours and of the peer's runs."""
        ours, peer = ([run.seconds for run in runs] for runs in (self.ours, self.peers))
        return statistics.median(ours), statistics.median(peer)

    def _value(self, run: Measurement) -> float:
        return run.events / run.seconds if self.is_rate else run.seconds

    def cells(self) -> list[str]:
        """Return the cells of the row as text."""
        ratios = self.ratios
        ratio = (
            f"{_number(statistics.median(ratios))} ({_number(min(ratios))} to {_number(max(ratios))})"
            if ratios
            else "-"
        )
        target = f"{self.target}{'' if ratios else ' s'}" if self.target else "-"
        return [
            self.what,
            self._shown(self.ours),
            f"{self.against}: {self._shown(self.peers)}" if self.against else "-",
            ratio,
            target,
            met(self.is_met),
        ]

    def _shown(self, runs: Sequence[Measurement]) -> str:
        value = statistics.median(map(self._value, runs))
        return f"{value:,.0f}/s" if self.is_rate else f"{_number(value)} s"


class Growth(NamedTuple):
    """The same work on little and on much.

    Attributes:
        what: the work.
        small: on little.
        large: on much.
    """

    what: str
    small: Measurement
    large: Measurement


def checked(what: str, whose: str, run: Measurement, expected: int) -> Measurement:
    """Return *run* if it has *expected* events: a speed counts only for a right answer.

    Args:
        what: the work.
        whose: ours, or the name of the peer.
        run: how it went.
        expected: how many events there are; with none, there is nothing to be right about.

    Raises:
        WrongAnswer: if the number of events is another one, or 0.
    """
    if run.events != expected or not expected:
        raise WrongAnswer(f"{what}: {whose} has {run.events:,}, and there are {expected:,}")
    return run


def met(is_met: bool | None) -> str:
    """Return *is_met*, whether a target is reached, as text."""
    return {True: "yes", False: "**no**", None: "-"}[is_met]


def table(rows: Iterable[Row]) -> str:
    """Format *rows* as a Markdown table."""
    head = ["what", "ours", "the peer", "ratio: median (min to max)", "target", "met"]
    return _markdown(head, [row.cells() for row in rows])


def growth_table(growths: Iterable[Growth], small: str, large: str) -> str:
    """Format *growths* as a Markdown table.

    Args:
        growths: what was measured.
        small: the size of the small store.
        large: the size of the large store.
    """
    head = ["what", small, large, "time grows", "events grow"]
    return _markdown(
        head,
        [
            [
                growth.what,
                f"{_number(growth.small.seconds)} s",
                f"{_number(growth.large.seconds)} s",
                f"{_number(growth.large.seconds / growth.small.seconds)}x",
                f"{_number(growth.large.events / growth.small.events)}x",
            ]
            for growth in growths
        ],
    )


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def _number(value: float) -> str:
    """Format *value* with three significant digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
