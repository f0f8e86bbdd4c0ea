"""Detection: which format the lines of a file have."""

from collections.abc import Sequence
from typing import NamedTuple

from theiafs.formats.fields import Format, Rules

__all__ = ["SAMPLE", "Detection", "begins_with_record", "detect"]

SAMPLE = 250
"""How many contents the format is found out from."""


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
    raise NotImplementedError


def detect(contents: Sequence[bytes], rules: Rules) -> Detection | None:
    """Return the format that most of *contents* are in, by *rules*; None if none has at least half of them."""
    raise NotImplementedError
