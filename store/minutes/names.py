"""The names of minute files, and which file holds a time.

A minute file is named ``<start>-<end>``, whole seconds since the epoch, and holds the events with
``start <= time < end``. Files that theia wrote may overlap and hold the end as well.
"""

import math
import os
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.columns import Integers
from store.disk.disk import Disk
from store.query import MINUTE_S

__all__ = ["DataFile", "FileIndex", "parse_name"]

_NAME = re.compile(r"(0|[1-9][0-9]*)-(0|[1-9][0-9]*)")


class DataFile(NamedTuple):
    """A minute file: its path, and the whole seconds it spans."""

    path: str
    start: int
    end: int


def parse_name(name: str) -> tuple[int, int] | None:
    """Read the start and the end in the name of a minute file; None when it is no such name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    start, end = int(match[1]), int(match[2])
    return (start, end) if start <= end else None


class FileIndex:
    """The minute files of a directory, by time. Names that are not ``<start>-<end>`` are ignored.

    Args:
        root_dir: the directory.
        disk: the disk it is on.
        names: the names of the files there; None when that is to be found out.
    """

    def __init__(
        self, root_dir: str, disk: Disk | None = None, names: Iterable[str] | None = None
    ) -> None:
        self.root_dir = root_dir
        # Columns, for there may be a million files. The latest end is the one up to each file: files may
        # overlap, so their ends need not be in order.
        self._starts = Integers()
        self._ends = Integers()
        self._latest_ends = Integers()
        if names is None:
            names = (disk or Disk()).list_names(root_dir)
        for span in sorted(filter(None, map(parse_name, names))):
            self.add(*span)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, position: int) -> DataFile:
        start, end = self._starts[position], self._ends[position]
        return DataFile(os.path.join(self.root_dir, f"{start}-{end}"), start, end)

    @property
    def files(self) -> list[DataFile]:
        """The files, sorted by start."""
        return [self[position] for position in range(len(self))]

    def find(self, ts_from: float, ts_to: float | None) -> list[DataFile] | None:
        """Find the files that may hold events from one time to another, both included.

        Args:
            ts_from: seconds since the epoch.
            ts_to: seconds since the epoch; open when 0 or None.

        Returns:
            The files sorted by start; None when there are none.
        """
        first = self._latest_ends.find_left(ts_from)
        last = self._starts.find_right(ts_to or math.inf)
        found = [self[position] for position in range(first, last)]
        return [file for file in found if file.end >= ts_from] or None

    def find_event_file(self, ts: float) -> DataFile | None:
        """Find the first file that ends at or after a time; None outside of the whole span."""
        if not len(self) or ts < self._starts[0]:
            return None
        first = self._latest_ends.find_left(ts)
        return self[first] if first < len(self) else None

    def find_home(self, ts: float) -> tuple[int, int]:
        """Find the file a new event of this time belongs in, or say which file to make for it: its start and its end.

        A new file starts at the whole second of the event and spans a minute, cut short where the next
        file starts.
        """
        later = self._starts.find_right(ts)
        position = later
        while position > 0 and self._latest_ends[position - 1] > ts:
            position -= 1
            if self._ends[position] > ts:
                return self._starts[position], self._ends[position]
        start = int(ts)
        end = start + MINUTE_S
        if later < len(self):
            end = min(end, self._starts[later])
        return start, end

    def position(self, start: int, end: int) -> int:
        """Where a file of this span is, or would be."""
        first = self._starts.find_left(start)
        last = self._starts.find_right(start, first)
        return self._ends.find_left(end, first, last)

    def has(self, start: int, end: int) -> bool:
        """Whether there is a file of this span."""
        return self.is_at(self.position(start, end), start, end)

    def is_at(self, position: int, start: int, end: int) -> bool:
        """Whether the file at a position is that of a span."""
        return (
            position < len(self._starts)
            and self._starts[position] == start
            and self._ends[position] == end
        )

    def add_file(self, name: str) -> None:
        """Add a file by its name; a name that is not ``<start>-<end>`` is ignored."""
        span = parse_name(name)
        if span is not None and not self.has(*span):
            self.add(*span)

    def remove_file(self, name: str) -> None:
        """Forget a file."""
        span = parse_name(name)
        if span is not None and self.has(*span):
            self.remove(self.position(*span))

    def remove(self, position: int) -> None:
        """Forget the file at a position."""
        for column in (self._starts, self._ends, self._latest_ends):
            del column[position]
        self._update_latest_ends(position)

    def add(self, start: int, end: int) -> int:
        """Add a file that is not there yet by its span; returns its position."""
        position = self.position(start, end)
        self._starts.insert(position, start)
        self._ends.insert(position, end)
        self._latest_ends.insert(position, -1)
        self._update_latest_ends(position)
        return position

    def fill(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Add many files, in order, where there are none yet."""
        self._starts.extend(starts)
        self._ends.extend(ends)
        self._latest_ends.extend(np.maximum.accumulate(ends))

    def _update_latest_ends(self, first: int) -> None:
        """Bring the latest ends up to date after a file came or went at this position."""
        latest = self._latest_ends[first - 1] if first else -1
        for position in range(first, len(self)):
            latest = max(latest, self._ends[position])
            if position > first and self._latest_ends[position] == latest:
                return
            self._latest_ends[position] = latest
