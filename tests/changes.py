"""Changes that an external process makes to a file."""

import os
from pathlib import Path

__all__ = ["append", "content_of", "cut_short", "edit", "remove", "replace"]


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    """Rename another file over it, as rsync and editors do."""
    path.with_name("other").write_bytes(b"other")
    path.with_name("other").rename(path)


def cut_short(path: Path) -> None:
    os.truncate(path, 2)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def edit(path: Path) -> None:
    """Change bytes in place, and the size not."""
    with path.open("r+b") as file:
        file.write(b"X")


def content_of(path: Path) -> bytes | None:
    """Read a file; None when there is none."""
    return path.read_bytes() if path.exists() else None
