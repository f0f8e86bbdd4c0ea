"""Detection: which format the contents of a file have."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from store.format.levels import parse_level
from store.format.record import OPENING
from theiafs.formats.fields import Format, Rules
from theiafs.formats.table import FORMATS

__all__ = ["SAMPLE", "Detection", "begins_with_record", "detect"]

SAMPLE = 250
"""How many contents the format is found out from."""

_IN_ORDER = ("journal", "jsonl", "combined", "syslog", "dated", "logfmt")
"""The formats that are tried; of two that as many contents are in, the first counts."""
_SYSLOG, _DATED, _HOST = "syslog", "dated", "host"


class Detection(NamedTuple):
    """A format that was found out.

    Attributes:
        format: the format.
        parsed: how many of the contents are in it.
        of: how many contents were tried.
    """

    format: Format
    parsed: int
    of: int


def begins_with_record(text: bytes) -> bool:
    """Return whether *text*, the beginning of a file, is that of records: of a minute file, or of ``events``."""
    return OPENING.match(text) is not None


def detect(contents: Sequence[bytes], rules: Rules) -> Detection | None:
    """Return the format that most of the first *contents* are in, by *rules*; None if none has at least half of them."""
    tried = contents[:SAMPLE]
    parsed = {name: _count_parsed(name, tried, rules) for name in _IN_ORDER}
    best = max(parsed, key=parsed.__getitem__)
    if best == _SYSLOG and parsed[_DATED] == parsed[_SYSLOG] and not _names_programs(tried, rules):
        best = _DATED
    if not tried or 2 * parsed[best] < len(tried):
        return None
    return Detection(FORMATS[best], parsed[best], len(tried))


def _count_parsed(name: str, contents: Sequence[bytes], rules: Rules) -> int:
    return int(np.count_nonzero(FORMATS[name].read(contents, rules).is_parsed))


def _names_programs(contents: Sequence[bytes], rules: Rules) -> bool:
    """Return whether most of *contents*, which are in the format syslog by *rules*, say a host and a program after the time.

    Programs, too, begin their lines with a time, but go on with a level, or a text.
    """
    fields = FORMATS[_SYSLOG].read(contents, rules._replace(keys=(_HOST,)))
    named = sum(
        source is not None and not any(parse_level(tag.removeprefix(f"{_HOST}=")) for tag in tags)
        for source, tags in zip(fields.sources, fields.tags, strict=True)
    )
    return 2 * named >= len(contents)
