"""The memory, the descriptors and the threads of a process, sampled while it runs."""

import os
import re
import statistics
from pathlib import Path
from typing import NamedTuple

__all__ = ["Resources", "middles", "sample"]


class Resources(NamedTuple):
    """Resources that a process holds.

    Attributes:
        memory_mib: resident memory.
        descriptors: open files.
        threads: threads.
    """

    memory_mib: float
    descriptors: float
    threads: float


def sample(process_id: int) -> Resources:
    """Return the resources of the process *process_id* now."""
    process = Path("/proc", str(process_id))
    numbers = dict(re.findall(r"^(VmRSS|Threads):\s*(\d+)", (process / "status").read_text(), re.M))
    descriptors = len(os.listdir(process / "fd"))
    return Resources(int(numbers["VmRSS"]) / 1024, descriptors, int(numbers["Threads"]))


def middles(samples: list[Resources]) -> list[Resources]:
    """Return the medians of the first, the middle and the last fifth of *samples*: a single one shows what runs just then."""
    fifth = max(1, len(samples) // 5)
    middle = (len(samples) - fifth) // 2
    parts = samples[:fifth], samples[middle : middle + fifth], samples[-fifth:]
    return [Resources(*map(statistics.median, zip(*part, strict=True))) for part in parts]
