"""The origin of what is appended."""

from dataclasses import dataclass

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """The origin of appended events: their default source and time.

    Attributes:
        source: the source of events that do not say theirs.
        now: the time of events that do not say theirs, in ticks since the epoch.
    """

    source: str
    now: int
