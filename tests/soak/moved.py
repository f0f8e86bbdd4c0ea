"""The command line of theiafs by a clock that is moved: ``python -m tests.soak.moved CLOCK ARGUMENT...``.

The times of files are moved too: the kernel would have set them by the same clock.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from store.disk import disk, file
from tests.soak.clock import MovedClock
from theiafs import cli

__all__ = ["install"]


def install(clock: MovedClock) -> None:
    """Let this process see *clock* in place of that of the system, which only monotonic times still show."""
    file_stat, utime = file.file_stat, os.utime

    def moved_stat(name: str, status: os.stat_result) -> file.FileStat:
        stat = file_stat(name, status)
        mtime_ns, ctime_ns = clock.shown_ns(stat.mtime_ns), clock.shown_ns(stat.ctime_ns)
        return stat._replace(mtime_ns=mtime_ns, ctime_ns=ctime_ns)

    def moved_utime(path: Any, *, ns: tuple[int, int] | None = None, **options: Any) -> None:
        if ns is not None:
            options["ns"] = clock.system_ns(ns[0]), clock.system_ns(ns[1])
        utime(path, **options)

    for module in (disk, file):
        module.file_stat = moved_stat  # type: ignore[attr-defined]
    os.utime = moved_utime  # type: ignore[assignment]
    time.time_ns = clock.now_ns
    time.time = lambda: clock.now_ns() / 1e9


if __name__ == "__main__":
    install(MovedClock(Path(sys.argv[1])))
    sys.exit(cli.main(sys.argv[2:]))
