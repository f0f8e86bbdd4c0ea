"""Replacing files, so that at any instant either the old or the new one is there whole."""

import contextlib
import os
from collections.abc import Iterable

from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.errors import EventStoreException, EventWriteException

__all__ = ["put_file", "replace_file"]


def replace_file(
    disk: Disk,
    path: str,
    chunks: Iterable[bytes],
    kept: ReadableFile | None = None,
    kept_size: int = 0,
) -> None:
    """Replace a file, or make it, so that at any instant either the old or the new one is there whole.

    The new one is written beside the old one under a hidden name, made durable, and renamed; then the
    directory is made durable.

    Args:
        disk: where.
        path: the file to replace.
        chunks: what the new file holds, after what it keeps.
        kept: a file whose start the new one keeps, usually the old one.
        kept_size: how many bytes of it, from its start.

    Raises:
        StoreFull: if there is no room.
        EventWriteException: if anything else fails; the old file is still there then, or (if only its
            directory could not be synced) the new one.
    """
    put_file(disk, path, chunks, kept, kept_size)
    disk.sync_directory(os.path.dirname(path))


def put_file(
    disk: Disk,
    path: str,
    chunks: Iterable[bytes],
    kept: ReadableFile | None = None,
    kept_size: int = 0,
) -> None:
    """Do the same without the last step: whether the old or the new one survives a loss of power is open.

    Raises:
        StoreFull: if there is no room.
        EventWriteException: if anything else fails; the old file is still there then.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.tmp")
    try:
        with disk.create(temporary) as file:
            if kept is not None:
                file.copy(kept, kept_size)
            for chunk in chunks:
                file.write(chunk)
            file.set_modified()
            file.sync()
        disk.rename(temporary, path)
    except EventStoreException:
        # On a full disk the half-written file would keep everybody else from writing.
        with contextlib.suppress(EventWriteException):
            disk.remove(temporary)
        raise
