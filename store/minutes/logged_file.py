"""Minute files whose newest bytes are in the write-ahead log, and how those are flushed."""

from collections.abc import Iterator

from store.checksum import crc32
from store.disk.atomic import Prepared, prepare
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.errors import EventReadException, FileChanged
from store.locks import new_lock
from store.minutes.file import MinuteFile, Snapshot
from store.wal.log import WriteAheadLog
from store.wal.segment import LogRecord
from store.wal.tail import Tail, read_tail

__all__ = ["LoggedFile", "PreparedFlush"]

_CHUNK_SIZE = 1 << 20


class LoggedFile(MinuteFile):
    """A minute file whose tail is in the log, so that it costs no memory, however large it becomes.

    Args:
        name: the name of the file.
        directory: the directory it is in.
        log: the log that its tail is in.
        disk: the disk it is on.
        stat: the FileStat of the file; None when there is none yet.
        tail: the records that the file lacks, as recovery found them.
    """

    def __init__(
        self,
        name: str,
        directory: str,
        log: WriteAheadLog,
        disk: Disk,
        stat: FileStat | None = None,
        tail: Tail | None = None,
    ) -> None:
        super().__init__(name, directory, disk)
        self._log = log
        self._stat = stat
        self._next_inode: int | None = None  # of the file that is being put in place
        self._tail = tail or Tail(name, stat.size if stat is not None else 0)
        self._lock = new_lock("file")

    @property
    def stat(self) -> FileStat | None:
        """The FileStat of the file as it was opened or last replaced by a flush; None when there is none yet."""
        with self._lock:
            return self._stat

    def snapshot(self) -> Snapshot:
        """See :meth:`MinuteFile.snapshot`."""
        with self._lock:
            return Snapshot(self._tail.start, self._tail.end, self._stat, self._next_inode)

    def extend(self, size: int, lsn: int) -> None:
        """Note that *size* bytes were appended, as the record of the log at *lsn*."""
        with self._lock:
            self._tail.extend(size, lsn)

    def _read_tail(self, start: int, end: int) -> bytes:
        with self._lock:
            if start < self._tail.start:
                raise EventReadException(f"{self.name}: byte {start} was flushed meanwhile")
            extents = self._tail.extents(start, end)
        return read_tail(self._log.read, self.name, extents)

    def accept(self, stat: FileStat) -> None:
        """Take the file at the path, which is described by *stat* and has the same bytes, for the one that was known."""
        with self._lock:
            self._stat = stat

    def prepare_flush(self, checksum: int = 0) -> "PreparedFlush | None":
        """Write the file as it is now under another name, durably; None when there is nothing to flush.

        One thread at a time may flush it.

        Args:
            checksum: the CRC-32 of what is in the file.

        Raises:
            FileChanged: if another program removed, replaced or changed the file; nothing has changed then.
            EventStoreException: if anything else fails; the same.
        """
        with self._lock:
            stat, start, end = self._stat, self._tail.start, self._tail.end
        if start == end:
            return None
        chunks = _Checksummed(self._chunks(start, end), checksum)
        if stat is None:
            prepared = prepare(self._disk, self._path, chunks)
            return PreparedFlush(self, prepared, end, chunks.checksum)
        if self._disk.stat(self._path) != stat:
            raise FileChanged(f"{self._path} was changed by another program")
        with self._disk.open_to_read(self._path) as file:
            if file.stat() != stat:
                raise FileChanged(f"{self._path} was changed by another program")
            prepared = prepare(self._disk, self._path, chunks, (file, stat), start)
            return PreparedFlush(self, prepared, end, chunks.checksum)

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        for offset in range(start, end, _CHUNK_SIZE):
            yield self._read_tail(offset, min(offset + _CHUNK_SIZE, end))

    def expect(self, inode: int) -> None:
        """Let readers take the file with *inode* for this one, because it is being put in place."""
        with self._lock:
            self._next_inode = inode

    def replaced(self, stat: FileStat | None) -> None:
        """Note that the file at the path is the expected one, described by *stat*; None if that failed."""
        with self._lock:
            self._next_inode = None
            if stat is not None:
                self._stat = stat

    def flushed(self, end: int) -> None:
        """Note that the bytes before *end* are in the file at the path, durable or not, and read them from there."""
        with self._lock:
            self._tail.forget(end)


class _Checksummed:
    """Chunks of which the checksum is known once they were taken.

    Args:
        chunks: the chunks.
        checksum: the CRC-32 of what comes before them.
    """

    def __init__(self, chunks: Iterator[bytes], checksum: int) -> None:
        self.checksum = checksum
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.checksum = crc32(chunk, self.checksum)
            yield chunk


class PreparedFlush:
    """A flush of a minute file, of which only the last steps are missing: to be committed and finished, or discarded.

    Args:
        file: the minute file.
        prepared: the file to be put in its place.
        end: the size in bytes of that file.
        checksum: the CRC-32 of that file.
    """

    def __init__(self, file: LoggedFile, prepared: Prepared, end: int, checksum: int) -> None:
        self.file = file
        self.checksum = checksum
        self._prepared = prepared
        self._end = end

    @property
    def intent(self) -> LogRecord:
        """The record that tells recovery that the new file may have been put in place."""
        return LogRecord(self.file.name, self._end, b"", inode=self._prepared.inode)

    def commit(self) -> None:
        """Put the new file in place; the caller syncs the directory after that, once for any number of files.

        Raises:
            FileChanged: if another program removed, replaced or changed the file; that stays as it is, and the new file
                is to be discarded.
            EventWriteException: if anything else fails; the same.
        """
        self.file.expect(self._prepared.inode)
        stat = None
        try:
            stat = self._prepared.place()
        finally:
            self.file.replaced(stat)

    def finish(self) -> None:
        """Note that the new file is in place: its bytes are read from it, and not from the log any more.

        The log keeps them until the directory was synced, because a loss of power may bring back the old file.
        """
        self.file.flushed(self._end)

    def discard(self) -> None:
        """Remove the new file, which was not committed."""
        self._prepared.discard()

    def empty(self) -> None:
        """Free the room that the new file takes, which was not committed, and keep its name and inode number."""
        self._prepared.empty()
