"""The report of a soak, as a table."""

from collections import Counter
from dataclasses import dataclass

from tests.soak.readers import Failures
from tests.soak.resources import Resources

__all__ = ["Report"]

_GROWTH_MAX = 1.1
_MORE_MIB = 16.0
_MORE_DESCRIPTORS = 16.0


@dataclass(frozen=True)
class Report:
    """The results of a soak.

    Attributes:
        fuse: the binding, and the version of libfuse.
        duration_s: how long the writers wrote.
        acknowledged: how many events they were told are stored.
        found: how many events were there at the end.
        removed: how many were removed with their minutes.
        lost: how many are neither there nor removed.
        doubled: how many were there, or removed, more than once.
        removals: how many minutes were removed.
        changes: how many times the file of a minute was changed in place.
        runs: how many programs have read.
        crossed: how many boundaries of each kind the clock has crossed.
        resources: those of the process at the start, in the middle, and at the end.
        failures: all that failed.
    """

    fuse: str
    duration_s: float
    acknowledged: int
    found: int
    removed: int
    lost: int
    doubled: int
    removals: int
    changes: int
    runs: int
    crossed: Counter[str]
    resources: list[Resources]
    failures: Failures

    @property
    def has_grown(self) -> bool:
        """Whether the process has clearly more memory or descriptors at the end than in the middle."""
        _, middle, end = self.resources
        return (
            end.memory_mib > middle.memory_mib * _GROWTH_MAX + _MORE_MIB
            or end.descriptors > middle.descriptors * _GROWTH_MAX + _MORE_DESCRIPTORS
        )

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost or doubled, nothing failed, and nothing grew."""
        return not (self.lost or self.doubled or self.failures.count or self.has_grown)

    def __str__(self) -> str:
        crossed = ", ".join(f"{what} {times}" for what, times in self.crossed.items())
        lines = [
            f"duration            {self.duration_s / 60:,.1f} min",
            f"fuse                {self.fuse}",
            f"clock crossed       {crossed}",
            f"events in           {self.acknowledged:,}",
            f"events found        {self.found:,}, and removed {self.removed:,} with {self.removals:,} minutes",
            f"lost, doubled       {self.lost:,}, {self.doubled:,}",
            f"changed in place    {self.changes:,} minutes",
            f"programs run        {self.runs:,}",
            f"errors              {self.failures.count:,}",
            *(f"  {each}" for each in self.failures.shown),
            "                      start    middle       end",
            *(
                f"{name:20}" + "".join(f"{each:>10,.0f}" for each in values)
                for name, values in zip(
                    ("memory in MiB", "descriptors", "threads"),
                    zip(*self.resources, strict=True),
                    strict=True,
                )
            ),
        ]
        if self.has_grown:
            lines.append("The process has grown since the middle.")
        return "\n".join(lines)
