"""Counts of events by their names: how often each was found."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import BinaryIO

__all__ = ["Tally"]

_LINE = re.compile(rb"^(?:\S+ \S+ \[\S*\] )?(w\d+|changer)-(\d+) ", re.MULTILINE)
"""The first line of an event's content, in a frame or on a line of its own."""

_PIECE_SIZE = 1 << 20


class Tally:
    """How often each event was found, by the name of its writer and its number."""

    def __init__(self) -> None:
        self._times: defaultdict[str, bytearray] = defaultdict(bytearray)

    def add(self, text: bytes) -> bool:
        """Count the events in *text*, which has whole lines; return whether there are any."""
        found = None
        for found in _LINE.finditer(text):
            times, number = self._times[found[1].decode()], int(found[2])
            if number >= len(times):
                times.extend(bytes(number + 1 - len(times)))
            times[number] += 1
        return found is not None

    def add_file(self, file: BinaryIO) -> None:
        """Count the events in *file*, from its position on."""
        rest = b""
        while piece := file.read(_PIECE_SIZE):
            lines, newline, rest = (rest + piece).rpartition(b"\n")
            self.add(lines + newline)
        self.add(rest)

    def __len__(self) -> int:
        return sum(map(sum, self._times.values()))

    def compare(
        self,
        acknowledged: Mapping[str, int],
        *others: "Tally",
        again: "Tally | None" = None,
    ) -> tuple[list[str], list[str]]:
        """Return which of the *acknowledged* events were not found, and which were found too often.

        Args:
            acknowledged: how many events each writer has, numbered from 0.
            others: tallies to add to this one.
            again: how often events may be found after the first time; never by default.
        """
        lost, doubled = [], []
        for name, count in acknowledged.items():
            found = [each._times[name] for each in (self, *others)]
            repeats = again._times[name] if again is not None else b""
            for number in range(max([count, *map(len, found)])):
                times = sum(each[number] for each in found if number < len(each))
                if times == 0 and number < count:
                    lost.append(f"{name}-{number}")
                if times > 1 + (repeats[number] if number < len(repeats) else 0):
                    doubled.append(f"{name}-{number}")
        return lost, doubled
