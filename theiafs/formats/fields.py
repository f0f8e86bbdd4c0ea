"""Fields: what the lines of a log say of their events, in columns."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from store import Event

__all__ = ["NO_TIME", "Fields", "Format", "Kind", "Rules"]

NO_TIME = -1
"""In place of the ticks of a line that says no time."""

_Value = TypeVar("_Value")

Kind = tuple[str | None, tuple[str, ...], bool]
"""The source and the tags that a line says, and whether it is in the format."""


class Fields(NamedTuple):
    """The fields of lines; a row of each column is one line.

    Attributes:
        ticks: their times, in ticks since the epoch, or ``NO_TIME``.
        sources: their sources; None for a line that says none.
        tags: their tags, of the fields that the rules name.
        is_parsed: whether each line is in the format.
        events: by row, the lines that are whole events.
    """

    ticks: npt.NDArray[np.int64]
    sources: Sequence[str | None]
    tags: Sequence[tuple[str, ...]]
    is_parsed: npt.NDArray[np.bool_]
    events: Mapping[int, Event]

    @property
    def have_times(self) -> npt.NDArray[np.bool_]:
        """Whether each line says a time."""
        have: npt.NDArray[np.bool_] = self.ticks != NO_TIME
        have[list(self.events)] = True
        return have

    def times(self, before: int) -> npt.NDArray[np.int64]:
        """Return the times of all lines: one that says none has that of the line before it, the first one *before*."""
        ticks = self.ticks
        if self.events:
            ticks = ticks.copy()
            for row, event in self.events.items():
                ticks[row] = event.ticks
        have = self.have_times
        if have.all():
            return ticks
        known = np.concatenate(([before], ticks))
        places = np.where(np.concatenate(([True], have)), np.arange(len(known)), 0)
        return known[np.maximum.accumulate(places)][1:]

    def kinds(self, first: int, last: int) -> tuple[npt.NDArray[np.intp], list[Kind]]:
        """Return the distinct kinds of the lines from *first* to before *last*, and before them which of these each line is."""
        some = slice(first, last)
        sources, tags, is_parsed = self.sources[some], self.tags[some], self.is_parsed[some]
        if len(set(tags)) == 1 and is_parsed.all():
            # As in most logs. To tell only the sources apart takes half of the time.
            rows, distinct = _numbered(sources)
            return rows, [(source, tags[0], True) for source in distinct]
        return _numbered(list(zip(sources, tags, is_parsed.tolist(), strict=True)))


class Rules(NamedTuple):
    """The rules by which lines are read, as the user says them.

    Attributes:
        zone: the time zone of times without an offset.
        now: the current time, in ticks since the epoch; a year that is missing is the nearest.
        keys: the names of the fields that become tags.
    """

    zone: tzinfo
    now: int
    keys: tuple[str, ...] = ()


class Format(ABC):
    """A format of lines. Any number of threads may use it.

    Attributes:
        name: its name, as in ``ingest.<name>``.
    """

    name: str

    @abstractmethod
    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        """Read the fields of *lines*, which have no terminators, by *rules*; a line that is not in the format is no error."""


def _numbered(values: Sequence[_Value]) -> tuple[npt.NDArray[np.intp], list[_Value]]:
    """Return the index of each of *values* among the distinct ones, and these."""
    distinct = list(dict.fromkeys(values))
    if len(distinct) == 1:
        return np.zeros(len(values), np.intp), distinct
    indexes = dict(zip(distinct, range(len(distinct)), strict=True))
    return np.fromiter(map(indexes.__getitem__, values), np.intp, len(values)), distinct
