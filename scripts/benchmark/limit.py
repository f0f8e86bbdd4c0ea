"""The limit: what a filesystem in C takes that answers constants, through the same libfuse as a mount of ours."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmark import mounts
from benchmark.commands import run

__all__ = ["NAME", "limit"]

NAME = "a C filesystem of constants"
"""How it is called in the table."""

_SOURCE = Path(__file__).with_name("constant_fs.c")
_BUILDS = {2: (26, "fuse"), 3: (35, "fuse3")}
"""By the version of libfuse, that of the interface to ask for, and the name of the library and of the directory of its headers."""


@contextlib.contextmanager
def limit(file: Path, count: int, libfuse: int) -> Iterator[Path]:
    """Mount the filesystem, through a version of *libfuse*, with *count* files, each with the bytes of *file*; yield the mountpoint."""
    interface, library = _BUILDS[libfuse]
    with tempfile.TemporaryDirectory(prefix="theiafs-bench-") as directory:
        program = f"{directory}/constant_fs"
        flags = ["-O2", "-D_FILE_OFFSET_BITS=64", f"-DFUSE_USE_VERSION={interface}"]
        run(
            ["cc", *flags, f"-I/usr/include/{library}", str(_SOURCE), f"-l{library}", "-o", program]
        )
        options = ["-o", "use_ino"] if libfuse == 2 else []
        with mounts.made_mountpoint() as mountpoint:
            run([program, str(file), str(count), *options, str(mountpoint)])
            try:
                yield mountpoint
            finally:
                run(["umount", str(mountpoint)])
