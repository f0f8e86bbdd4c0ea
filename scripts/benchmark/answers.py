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
    """Run a line of shell, and tell how many seconds it took.

    Args:
        script: what bash is to run.
        output: where its standard output goes.
    """
    return run(["bash", "-c", script], output)


def counted(script: str, count: Callable[[bytes], int]) -> Measurement:
    """Run a line of shell, and count in its output, which goes to memory, afterwards."""
    with tempfile.NamedTemporaryFile(prefix="theiafs-bench-", dir="/dev/shm") as output:
        seconds = timed(script, output)
        return Measurement(seconds, count(Path(output.name).read_bytes()))


def count_openings(data: bytes) -> int:
    """How many frames begin in these bytes."""
    return data.startswith(_OPENING) + data.count(b"\n" + _OPENING)


def count_lines(data: bytes) -> int:
    """How many lines there are."""
    return data.count(b"\n")
