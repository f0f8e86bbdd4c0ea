"""The resident memory of a mount, and whether it stays as it is."""

from pathlib import Path
from typing import NamedTuple

from benchmark import mounts, work
from benchmark.table import checked, met

__all__ = ["Memory", "measure"]

_MIB_MAX = 250
_NOISE_MIB = 5
"""Growth up to this is noise."""
_TIMES = 5


class Memory(NamedTuple):
    """Resident memory after each time that the same was done on one mount, in MiB."""

    mib: tuple[float, ...]

    @property
    def peak_mib(self) -> float:
        """The largest value."""
        return max(self.mib)

    @property
    def growth_mib(self) -> float:
        """The growth from the second time to the last; the first fills the caches."""
        return self.mib[-1] - self.mib[1]

    def __str__(self) -> str:
        each = ", ".join(f"{mib:.0f}" for mib in self.mib)
        return (
            f"Resident memory after `ls by-tag/web | head` and `ls -f minutes` in the year, {len(self.mib)} times on one mount:"
            f" {each} MiB."
            f" The most is {self.peak_mib:.0f} MiB; target: at most {_MIB_MAX} MiB;"
            f" met: {met(self.peak_mib <= _MIB_MAX)}."
            f" From the second time to the last it grows by {self.growth_mib:.1f} MiB;"
            f" target: at most {_NOISE_MIB} MiB; met: {met(self.growth_mib <= _NOISE_MIB)}."
        )


def measure(store: Path, names: list[str], minutes: int) -> Memory:
    """List the minutes of a tag and all minutes of *store* repeatedly, and measure the memory.

    Args:
        store: to be mounted.
        names: of the minutes that the tag shows first.
        minutes: how many there are.

    Raises:
        WrongAnswer: if that is not what is shown.
    """
    with mounts.mounted(store) as mountpoint:
        mounts.wait_until_checked(mountpoint)
        return Memory(tuple(_after_use(mountpoint, names, minutes) for _ in range(_TIMES)))


def _after_use(mountpoint: Path, names: list[str], minutes: int) -> float:
    checked("ls by-tag/web", "ours", work.look(mountpoint, names), len(names))
    checked("ls -f minutes", "ours", work.list_minutes(mountpoint), minutes)
    return mounts.memory_mib(mountpoint)
