"""The machine that was measured on."""

import os
import platform
import re
from pathlib import Path

from benchmark.mounts import filesystem_of

__all__ = ["describe"]


def describe(directory: Path) -> str:
    """Describe the machine and the disk under *directory*, on one line.

    Args:
        directory: where the data are.
    """
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", cpus, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory;"
        f" Linux {platform.release()}; Python {platform.python_version()}; {_disk(directory)}"
    )


def _disk(directory: Path) -> str:
    found = filesystem_of(directory)
    device = os.stat(directory).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for block in (Path(f"/sys/dev/block/{number}"), Path(f"/sys/dev/block/{number}/..")):
        rotational = block / "queue/rotational"
        if rotational.exists():
            kind = (
                "which says it rotates"
                if rotational.read_text().strip() == "1"
                else "which says it does not rotate"
            )
            return f"{found['fstype']} on {found['source']}, {kind}"
    return f"{found['fstype']} on {found['source']}"
