"""A backup program that reads all minute files twice: the second time, it has to see that nothing has changed."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmark import mounts
from benchmark.answers import counted
from benchmark.commands import run
from benchmark.comparisons import Result, Rival, compare
from benchmark.data import Data
from benchmark.scale import Scale
from benchmark.table import Measurement

__all__ = ["backup"]


def backup(data: Data, scale: Scale) -> Result:
    """Back the minute files up with restic, twice."""
    store = data.store(scale.day)
    rows = []
    with ExitStack() as stack:
        ours = stack.enter_context(mounts.mounted(store)) / "minutes"
        bound = stack.enter_context(mounts.bound(store))
        # The repositories would be measured, too, if they were on the disk.
        scratch = Path("/dev/shm", f"theiafs-bench-{os.getpid()}")
        stack.callback(run, ["rm", "-rf", str(scratch)])
        # Made once, because it takes as long as reading the files.
        empty = scratch / "empty"
        run(_restic(empty, "init", "--quiet"))
        for what, is_again in (("the first time", False), ("again, unchanged", True)):

            def measured(directory: Path, is_again: bool = is_again) -> Measurement:
                repository = scratch / directory.name
                if not is_again:
                    run(["rm", "-rf", str(repository)])
                    run(["cp", "-r", str(empty), str(repository)])
                return counted(_script(repository, directory), _files(is_again))

            rivals = [
                Rival("bindfs", partial(measured, bound), None),
                Rival("ext4", partial(measured, store), None),
            ]
            name = f"restic backup minutes, {what}"
            files = scale.day.minutes
            rows += compare(name, scale.repetitions, partial(measured, ours), rivals, files)
    return Result(rows)


def _restic(repository: Path, *arguments: str) -> list[str]:
    options = ["--repo", str(repository), "--password-command", "echo x", "--no-cache"]
    return ["restic", *options, *arguments]


def _script(repository: Path, directory: Path) -> str:
    options = f"--repo {repository} --password-command 'echo x' --no-cache"
    return f"cd {directory} && exec restic {options} backup --json --exclude .theiafs ."


def _files(is_again: bool) -> Callable[[bytes], int]:
    """Return what counts in the output of restic the files that it has read, or, if *is_again*, found unchanged."""

    def count(output: bytes) -> int:
        summary = json.loads(output.splitlines()[-1])
        return int(summary["files_unmodified" if is_again else "files_new"])

    return count
