"""Small file systems, which are soon full."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SmallDisk", "small_disk"]


class SmallDisk:
    """A small file system.

    Args:
        path: the directory it is mounted on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, free: int = 0) -> None:
        """Fill it until only *free* bytes are left."""
        os.sync()  # what was removed has left its room then
        with open(self._filler, "ab", buffering=0) as file:
            for size in (1 << 16, 1 << 10, 1):
                with contextlib.suppress(OSError):
                    while True:
                        os.write(file.fileno(), bytes(size))
                        os.fsync(file.fileno())
            os.truncate(file.fileno(), os.stat(file.fileno()).st_size - free)
            os.fsync(file.fileno())

    def make_room(self) -> None:
        """Remove what fills it."""
        self._filler.unlink()


@contextlib.contextmanager
def small_disk(kind: str, directory: Path) -> Iterator[SmallDisk]:
    """Mount a small disk of *kind* below *directory*: a tmpfs, or an ext4 with blocks of 1 KiB, as mkfs makes small ones."""
    path = directory / "disk"
    path.mkdir()
    if kind == "tmpfs":
        run("mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", str(path))
    else:
        image = directory / "image"
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        run("mkfs.ext4", "-q", "-m", "0", "-b", "1024", str(image))
        run("mount", "-o", "loop", str(image), str(path))
    try:
        yield SmallDisk(path)
    finally:
        run(
            "umount", "--lazy", str(path)
        )  # a store that is killed leaves pages mapped, in its test


def run(*command: str) -> None:
    subprocess.run(command, check=True)
