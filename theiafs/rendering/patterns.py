"""Patterns: the templates of messages, with how many events have each.

The first line of each content is masked (numbers, times, ids and addresses become what they are), equal lines are
counted, and what many of them differ in becomes ``<*>``. Quoted strings are apart: those that are the same in all
events of a template stand in it, and ``<str>`` in place of the others. The result depends on the events, never on the
order or the pieces in which they come.

Memory is bounded: of distinct masked lines there are at most ``LINES_MAX``, each of at most ``LINE_SIZE_MAX`` bytes of
content. Where there would be more, all lines are made coarser, step by step, until there are not.
"""

import functools
from collections import Counter

import numpy as np
import numpy.typing as npt

from theiafs.rendering.escaping import escape
from theiafs.rendering.masking import COARSEST, Masked, coarsen, collapse, mask
from theiafs.rendering.pieces import Pieces, constant, join
from theiafs.rendering.templates import Found, add, generalise
from theiafs.rendering.times import time_text

__all__ = ["LINES_MAX", "LINE_SIZE_MAX", "Patterns"]

Integers = npt.NDArray[np.int64]

LINES_MAX = 10_000
"""Number of distinct masked lines that are kept apart."""

LINE_SIZE_MAX = 1000
"""Number of bytes of a content that count; messages that differ only after them are of one pattern."""

_NEWLINE = 0x0A


class Patterns:
    """Patterns of the events that were added."""

    def __init__(self) -> None:
        self._level = 0
        self._found: dict[bytes, Found] = {}
        """What was found of each masked line."""
        self._masked: dict[bytes, Masked] = {}
        """Masked lines by collapsed ones: a cache."""

    def add(self, data: bytes, starts: Integers, ends: Integers, ticks: Integers) -> None:
        """Add events.

        Args:
            data: bytes that hold their contents.
            starts: where each content starts.
            ends: where it ends.
            ticks: the time of each event, in ticks since the epoch.
        """
        if not len(starts):
            return
        # The newest first: of equal lines the oldest time is the last that is noted, and backwards the newest.
        order = np.argsort(ticks, kind="stable")[::-1]
        starts, ends, ticks = starts[order], ends[order], ticks[order]
        newlines = np.append(np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE), len(data))
        ends = np.minimum(ends, newlines[np.searchsorted(newlines, starts)])
        sizes = np.minimum(ends - starts, LINE_SIZE_MAX)
        text = join([Pieces(data, starts, sizes), constant(b"\n", len(starts))])
        lines = collapse(text).split(b"\n")[:-1]
        times = ticks.tolist()
        oldest = dict(zip(lines, times, strict=True))
        newest = dict(zip(reversed(lines), reversed(times), strict=True))
        unknown = list(oldest.keys() - self._masked.keys())
        if unknown:
            self._mask(unknown)
        for line, count in Counter(lines).items():
            masked, strings = self._masked[line]
            add(self._found, masked, Found(count, oldest[line], newest[line], strings))
        while len(self._found) > LINES_MAX:
            self._coarsen()
        if len(self._masked) > 2 * LINES_MAX:
            self._masked.clear()

    def render(self) -> bytes:
        """Return the lines of the patterns, the most frequent first.

        Returns:
            ``<count>TAB<time of the oldest event>TAB<time of the newest>TAB<template>`` for each.
        """
        found = sorted(generalise(self._found).items(), key=lambda each: (-each[1].events, each[0]))
        return b"".join(
            [
                b"%d\t%b\t%b\t%b\n"
                % (each.events, time_text(each.oldest), time_text(each.newest), escape(template))
                for template, each in found
            ]
        )

    def _mask(self, lines: list[bytes]) -> None:
        """Mask collapsed *lines* as coarsely as those that were masked before."""
        levels = range(1, self._level + 1)
        for line, masked in zip(lines, mask(lines), strict=True):
            coarse = functools.reduce(coarsen, levels, masked.line)
            self._masked[line] = Masked(coarse, masked.strings)

    def _coarsen(self) -> None:
        """Make all lines coarser."""
        assert self._level < COARSEST, "more than one line at the coarsest level"
        self._level += 1
        coarser: dict[bytes, Found] = {}
        for line, found in self._found.items():
            add(coarser, coarsen(line, self._level), found)
        self._found = coarser
        self._masked.clear()
