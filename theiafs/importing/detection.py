"""Detection: which format the contents of a file have."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from store.format.record import OPENING
from theiafs.formats.fields import Format, Rules
from theiafs.formats.table import FORMATS

__all__ = ["SAMPLE", "Detection", "begins_with_record", "detect"]

SAMPLE = 250
"""How many contents the format is found out from."""

_IN_ORDER = ("journal", "jsonl", "combined", "syslog", "dated", "logfmt")
"""The formats that are tried; of two that as many contents are in, the first counts."""


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
    found = [
        Detection(FORMATS[name], _count_parsed(FORMATS[name], tried, rules), len(tried))
        for name in _IN_ORDER
    ]
    best = max(found, key=lambda each: each.parsed)
    return best if 2 * best.parsed >= len(tried) > 0 else None


def _count_parsed(format_: Format, contents: Sequence[bytes], rules: Rules) -> int:
    return int(np.count_nonzero(format_.read(contents, rules).is_parsed))
