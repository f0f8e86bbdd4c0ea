"""Fields: what the lines of a log say of their events, in columns."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import Event

__all__ = ["NO_TIME", "Fields", "Format", "Rules"]

NO_TIME = -1
"""In place of the ticks of a line that says no time."""


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
