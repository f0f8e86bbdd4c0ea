"""Answers: how long one takes, and how many events are in it."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from benchmark.commands import run
from benchmark.table import Measurement

__all__ = ["count_lines", "count_openings", "counted", "timed"]

_OPENING = b"event: "


def timed(script: str, output: IO[bytes] | int = subprocess.DEVNULL) -> float:
    """Run *script* with bash, and return the seconds it took.

    Args:
        script: what bash is to run.
        output: where its standard output goes.
    """
    return run(["bash", "-c", script], output)


def counted(script: str, count: Callable[[bytes], int]) -> Measurement:
    """Run *script* with its output in memory, and apply *count* to the output afterwards."""
    with tempfile.NamedTemporaryFile(prefix="theiafs-bench-", dir="/dev/shm") as output:
        seconds = timed(script, output)
        return Measurement(seconds, count(Path(output.name).read_bytes()))


def count_openings(data: bytes) -> int:
    """Count the records that begin in *data*."""
    return data.startswith(_OPENING) + data.count(b"\n" + _OPENING)


def count_lines(data: bytes) -> int:
    """Count the lines in *data*."""
    return data.count(b"\n")
