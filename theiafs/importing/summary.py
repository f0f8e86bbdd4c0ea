"""Summaries: what was imported of a file, as text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from theiafs.rendering.times import time_text

__all__ = ["Guess", "Summary"]

_SHOWN_MAX = 10
"""Maximum number of lines whose numbers are shown."""


class Guess(Enum):
    """The ways to guess the time of an event that says none; the values follow "have"."""

    BEFORE = "that of the line before"
    AFTER = "that of the first line that has one"
    FILE = "that of the last change of the file"


@dataclass
class Summary:
    """The summary of a file, or of several.

    Attributes:
        events: number of events in it.
        new: how many of them were saved, or would be.
        known: how many the destination had.
        oldest: the time of the earliest event, in ticks since the epoch; None if there is no event.
        newest: the time of the latest.
        guesses: how many times were guessed, by the way.
        unparsed: number of events that are not in the format.
        unparsed_lines: the numbers of their first lines, of the first few.
        too_long: number of lines that were left out.
        too_long_lines: the numbers of the first few.
        damaged_size: number of bytes that are no record, where there should be only records.
        unread: number of files that could not be read to their ends, or at all.
    """

    events: int = 0
    new: int = 0
    known: int = 0
    oldest: int | None = None
    newest: int | None = None
    guesses: Counter[Guess] = field(default_factory=Counter)
    unparsed: int = 0
    unparsed_lines: list[int] = field(default_factory=list)
    too_long: int = 0
    too_long_lines: list[int] = field(default_factory=list)
    damaged_size: int = 0
    unread: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether everything was imported, or was there already."""
        return not (self.too_long or self.damaged_size or self.unread)

    def add_events(self, ticks: npt.NDArray[np.int64]) -> None:
        """Add events of the times *ticks*, whether they are new or not."""
        self.events += len(ticks)
        if len(ticks):
            self._add_times(int(ticks.min()), int(ticks.max()))

    def add_unparsed(self, lines: Sequence[int]) -> None:
        """Add events that are not in the format, by the numbers of their first *lines*."""
        self.unparsed += len(lines)
        self.unparsed_lines += lines[: _SHOWN_MAX - len(self.unparsed_lines)]

    def add_too_long(self, lines: Sequence[int]) -> None:
        """Add *lines* that were left out, by their numbers."""
        self.too_long += len(lines)
        self.too_long_lines += lines[: _SHOWN_MAX - len(self.too_long_lines)]

    @classmethod
    def total(cls, summaries: Iterable["Summary"]) -> "Summary":
        """Return the sum of *summaries*, without the numbers of lines."""
        sum_ = cls()
        for each in summaries:
            sum_.events += each.events
            sum_.new += each.new
            sum_.known += each.known
            sum_.guesses += each.guesses
            sum_.unparsed += each.unparsed
            sum_.too_long += each.too_long
            sum_.damaged_size += each.damaged_size
            sum_.unread += each.unread
            if each.oldest is not None and each.newest is not None:
                sum_._add_times(each.oldest, each.newest)
        return sum_

    def text(self, name: str, is_dry_run: bool) -> str:
        """Return the summary as text.

        Args:
            name: its heading.
            is_dry_run: whether nothing was saved.
        """
        fate = "would be imported" if is_dry_run else "imported"
        lines = [f"{name}: {_number(self.events, 'event')}, {self.new:,} {fate}"]
        if self.known:
            lines[0] += f", {self.known:,} already there"
        if self.oldest is not None and self.newest is not None:
            first, last = (time_text(each).decode() for each in (self.oldest, self.newest))
            lines.append(f"from {first} to {last}")
        lines += [
            f"{_number(self.guesses[guess], 'time')} guessed: {guess.value}"
            for guess in Guess
            if self.guesses[guess]
        ]
        if self.unparsed:
            shown = _shown(self.unparsed, self.unparsed_lines)
            lines.append(f"{self.unparsed:,} not in the format, tagged unparsed{shown}")
        if self.too_long:
            shown = _shown(self.too_long, self.too_long_lines)
            lines.append(f"{_number(self.too_long, 'line')} too long, left out{shown}")
        if self.damaged_size:
            lines.append(f"{_number(self.damaged_size, 'byte')} left out: no records")
        if self.unread:
            lines.append(f"{_number(self.unread, 'file')} not imported to the end")
        return "\n  ".join(lines)

    def _add_times(self, oldest: int, newest: int) -> None:
        self.oldest = oldest if self.oldest is None else min(self.oldest, oldest)
        self.newest = newest if self.newest is None else max(self.newest, newest)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _shown(count: int, lines: Sequence[int]) -> str:
    """Return *lines* as text, the first of *count*; empty if none is known."""
    if not lines:
        return ""
    more = ", ..." if count > len(lines) else ""
    noun = "line" if count == 1 else "lines"
    return f": {noun} {', '.join(map(str, lines))}{more}"
