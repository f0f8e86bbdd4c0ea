"""The origin of what is appended."""

from typing import NamedTuple

__all__ = ["Origin"]


class Origin(NamedTuple):
    """The origin of appended events: their default source and time.

    Attributes:
        source: the source of events that do not say theirs.
        now: the time of events that do not say theirs, in ticks since the epoch.
    """

    source: str
    now: int
