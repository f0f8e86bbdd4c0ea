"""The outcome of chaos."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Outcome"]

Wholes = list[set[str]]
"""Ids of events, in sets of those that are stored together or not at all."""


def _all_of(wholes: Iterable[set[str]]) -> set[str]:
    return set().union(*wholes)


@dataclass
class Outcome:
    """The outcome of a run.

    Attributes:
        acknowledged: the events whose writing succeeded.
        refused: those that were not stored, as the error said.
        unknown: those of which the error said that this is not known.
        stored: how often each id is there in the end.
        kills: how often a server was killed.
        troubles: what happened on the network, and how often.
        reads: how often a reader compared what it saw with what it had seen.
        changes: what a reader saw that must not be.
    """

    acknowledged: Wholes = field(default_factory=list)
    refused: Wholes = field(default_factory=list)
    unknown: Wholes = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    troubles: dict[str, int] = field(default_factory=dict)
    reads: int = 0
    changes: list[str] = field(default_factory=list)

    @property
    def lost(self) -> set[str]:
        """The ids that were acknowledged, and are not there."""
        return _all_of(self.acknowledged) - self.stored.keys()

    @property
    def doubled(self) -> set[str]:
        """The ids that are there more than once."""
        return {each for each, count in self.stored.items() if count > 1}

    @property
    def appeared(self) -> set[str]:
        """The ids that are there although they were refused, or although nothing of the kind was written."""
        return self.stored.keys() - _all_of(self.acknowledged) - _all_of(self.unknown)

    @property
    def torn(self) -> Wholes:
        """Those of the unknown of which some are there, and others are not."""
        return [whole for whole in self.unknown if 0 < len(whole & self.stored.keys()) < len(whole)]

    @property
    def is_good(self) -> bool:
        """Whether nothing happened that must not."""
        return not (self.lost or self.doubled or self.appeared or self.torn or self.changes)

    def __str__(self) -> str:
        network = ", ".join(f"{name} {count}" for name, count in sorted(self.troubles.items()))
        counts = {
            name: len(_all_of(getattr(self, name)))
            for name in ("acknowledged", "refused", "unknown")
        }
        written = ", ".join(f"{count} {name}" for name, count in counts.items())
        return (
            f"{self.kills} kills of a server, {network}: {written}; {len(self.lost)} lost, {len(self.doubled)} doubled,"
            f" {len(self.appeared)} appeared, {len(self.torn)} torn; {self.reads} readings, {len(self.changes)} changed"
        )
