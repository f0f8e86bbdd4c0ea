"""Minute files with a log, as the store's engine uses them."""

import os
from types import TracebackType
from typing import Self

from store.disk.disk import Disk
from store.minutes.logged_file import LoggedFile
from store.wal.log import WriteAheadLog
from store.wal.recovery import open_log
from store.wal.segment import LogRecord

__all__ = ["FilesOnDisk"]


class FilesOnDisk:
    """The minute files of a directory and their log, opened as they were left.

    Args:
        directory: the directory.
        disk: the disk it is on.
        keep_s: how long the log keeps what is flushed, in seconds.
    """

    def __init__(self, directory: str, disk: Disk | None = None, keep_s: float = 600) -> None:
        self.directory = directory
        self.disk = disk or Disk()
        self.hidden = os.path.join(directory, ".theiafs")
        self.disk.make_directory(os.path.join(self.hidden, "journal"))
        self.log: WriteAheadLog
        self.log, recovered = open_log(
            self.disk, directory, self.hidden, os.path.join(self.hidden, "journal"), keep_s
        )
        self.files = {
            each.tail.minute: LoggedFile(
                each.tail.minute, directory, self.log, self.disk, each.stat, each.tail
            )
            for each in recovered
        }

    def open(self, name: str) -> LoggedFile:
        """Open a minute file, or return the one that is open."""
        if name not in self.files:
            stat = self.disk.stat(os.path.join(self.directory, name))
            self.files[name] = LoggedFile(name, self.directory, self.log, self.disk, stat)
        return self.files[name]

    def write(self, file: LoggedFile, *pieces: bytes) -> None:
        """Append the pieces, each as a record."""
        for data in filter(None, pieces):
            [lsn] = self.log.append([LogRecord(file.name, file.size, data)])
            file.extend(len(data), lsn)

    def flush(self, *files: LoggedFile) -> None:
        """Flush files, all together."""
        prepared = [each for file in files if (each := file.prepare_flush()) is not None]
        for each in prepared:
            each.commit()
        if not prepared:
            return
        self.disk.sync_directory(self.directory)
        for each in prepared:
            each.finish()
        self.log.release({each.file.name: each.file.stored_size for each in prepared})

    def content(self, name: str) -> bytes:
        """Read all of a minute file, flushed or not."""
        file = self.open(name)
        return file.read(0, file.size)

    def close(self) -> None:
        """End as a process does that is killed."""
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()
