"""Lines that begin with a time, whatever follows it."""

import re
from collections.abc import Sequence

from theiafs.formats.fields import NO_TIME, Fields, Format, Rules
from theiafs.formats.timeforms import TIME
from theiafs.formats.times import read_times

__all__ = ["Dated"]

_DATED = re.compile(rb"[\[(<\"']?(" + TIME + rb")(?=[\]\s),;|>\"']|:(?![0-9])|\Z)")
"""A time in any of the forms of ``timeforms``; it may be in brackets or in quotes."""


class Dated(Format):
    """The format ``dated``: a time at the start of the line, in any of the known forms, and no other fields."""

    name = "dated"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        """Read the times of *lines* by *rules*."""
        texts = [found[1] if found else None for found in map(_DATED.match, lines)]
        ticks = read_times(texts, rules)
        return Fields(
            ticks,
            [None] * len(lines),
            [()] * len(lines),
            ticks != NO_TIME,
            {},
        )
