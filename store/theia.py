"""The classes that only users of theia's programming interface call: those of ``theia.model`` and ``theia.naivestore``.

The store itself needs none of them. They take what theia's take, and have the attributes and the methods to override
that theia's have.
"""

import bisect
import io
import logging
import os
import re
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, cast

from store.disk.atomic import replace_file
from store.disk.disk import Disk
from store.errors import EOFException, MalformedEvent
from store.format.event import Event, encode_event, split_tags
from store.format.record import CLOSING, OPENING, decode_header, decode_preamble

__all__ = [
    "DataFile",
    "EventParser",
    "EventPreamble",
    "EventSerializer",
    "FileIndex",
    "MemoryFile",
    "SequentialEventReader",
]

log = logging.getLogger(__name__)

_FILE_NAME = re.compile(r"(0|[1-9][0-9]*)-(0|[1-9][0-9]*)")
_CHUNK_SIZE = 1 << 20


class EventSerializer:
    """Encodes events.

    Args:
        encoding: the encoding of the text of an event.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        self.encoding = encoding

    def serialize(self, event: Event) -> bytes:
        """Encode *event* as in :mod:`store.format.record`, with one newline at its end.

        Raises:
            InvalidEvent: if a field could not be read back.
        """
        return encode_event(event, self.encoding)[0][: -len(CLOSING)]


class EventPreamble(NamedTuple):
    """The line that opens an event: sizes in bytes, ``total`` being the sum of the other two."""

    total: int
    header: int
    content: int


class EventParser:
    """Parses the events of a stream of bytes.

    Args:
        encoding: the encoding of the text of the events.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        self.encoding = encoding

    def parse_preamble(self, stream: BinaryIO) -> EventPreamble:
        """Parse the line that opens an event in *stream*.

        Raises:
            EOFException: if the stream is at its end.
            MalformedEvent: if the line does not open an event.
        """
        line = stream.readline()
        if not line:
            raise EOFException("the stream ends where the next event would begin")
        return EventPreamble(*decode_preamble(line))

    def parse_header(self, size: int, stream: BinaryIO) -> Event:
        """Parse a header of *size* bytes in *stream*, as an event whose content is None.

        Raises:
            MalformedEvent: if the header is cut short or not in the format.
        """
        header = decode_header(self._read(size, stream))
        event = Event(
            self._decode(header.id),
            self._decode(header.source),
            tags=split_tags(self._decode(header.tags)),
            ticks=header.ticks,
        )
        event.content = None
        return event

    def parse_event(self, stream: BinaryIO, skip_content: bool = False) -> Event:
        """Parse one event in *stream* and the newline at its end, which may be missing at the end of the stream.

        Args:
            stream: where to read; it must be able to seek when the content is to be skipped.
            skip_content: seek over the content and leave it None.

        Raises:
            EOFException: if the stream is at its end.
            MalformedEvent: if the event is cut short or not in the format.
        """
        preamble = self.parse_preamble(stream)
        event = self.parse_header(preamble.header, stream)
        if not skip_content:
            event.content = self._decode(self._read(preamble.content, stream))
        elif preamble.content:
            # A seek beyond the end does not fail: the last byte shows whether the content is all there.
            stream.seek(preamble.content - 1, os.SEEK_CUR)
            self._read(1, stream)
        if stream.read(1) not in (b"\n", b""):
            raise MalformedEvent(f"event {event.id!r} does not end where its first line says")
        return event

    def _decode(self, data: bytes) -> str:
        return data.decode(self.encoding, "surrogateescape")

    @staticmethod
    def _read(size: int, stream: BinaryIO) -> bytes:
        data = stream.read(size)
        if len(data) != size:
            raise MalformedEvent(f"an event cut short: {size} bytes expected, {len(data)} there")
        return data


class SequentialEventReader:
    """Reads events in the order of a stream; closes the stream when used as a context manager.

    Damage costs the event it hit: it is logged, and the reading goes on at the next line that opens an event.

    Args:
        stream: any stream with ``read`` and ``readline``. Contents are skipped without reading them if it can seek.
        event_parser: parses a single event.

    Attributes:
        stream: the stream.
        parser: the parser.
    """

    def __init__(self, stream: BinaryIO, event_parser: EventParser) -> None:
        self.stream = stream
        self.parser = event_parser
        self._source = _Rewindable(stream)
        self._is_after_event = False

    def events(self) -> Iterator[Event]:
        """Read the events up to the end of the stream."""
        return self._read(skip_content=False)

    def events_no_content(self) -> Iterator[Event]:
        """Read the events up to the end of the stream, skipping their contents."""
        return self._read(skip_content=True)

    def curr_event(self) -> Event | None:
        """Read the event at the current position; None at the end of the stream.

        Raises:
            MalformedEvent: if there is something else.
        """
        try:
            return self._next(skip_content=False)
        except EOFException:
            return None

    def _read(self, skip_content: bool) -> Iterator[Event]:
        while True:
            try:
                event = self._next(skip_content)
            except EOFException:
                return
            except MalformedEvent as error:
                log.warning("skipping damage at byte %d: %s", self._source.start, error)
                self._skip_damage()
            else:
                yield event

    def _next(self, skip_content: bool) -> Event:
        source = self._source
        source.mark()
        line = source.readline()
        # The empty line is read with the event after it: a stream need not have it yet, and it may be missing.
        if self._is_after_event and line == CLOSING:
            source.mark()
            line = source.readline()
        self._is_after_event = False
        if not line:
            raise EOFException("the stream ends where the next event would begin")
        source.rewind()
        event = self.parser.parse_event(cast(BinaryIO, source), skip_content=skip_content)
        self._is_after_event = True
        return event

    def _skip_damage(self) -> None:
        """Move to the next line that opens an event, after the byte where the damage starts."""
        self._source.rewind(1)
        while True:
            self._source.mark()
            line = self._source.readline()
            found = OPENING.search(line)
            if not line or found is not None:
                self._source.rewind(found.start() if found else 0)
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stream.close()


class _Rewindable:
    """A stream that can go back to a mark, even if the stream under it cannot seek.

    Attributes:
        start: offset of the mark from where the stream was at first, in bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.start = 0
        self._consumed = 0  # bytes since the mark
        self._kept = (
            b""  # without seeking: bytes from the mark on, and maybe some after the position
        )
        try:
            stream.seek(0, os.SEEK_CUR)
            self._can_seek = True
        except (AttributeError, OSError):
            self._can_seek = False

    def mark(self) -> None:
        self.start += self._consumed
        self._kept = self._kept[self._consumed :]
        self._consumed = 0

    def rewind(self, offset: int = 0) -> None:
        """Go to *offset* bytes after the mark, which were read."""
        if self._can_seek:
            self._stream.seek(offset - self._consumed, os.SEEK_CUR)
        self._consumed = offset

    def read(self, size: int) -> bytes:
        if self._can_seek:
            data = self._stream.read(size)
        else:
            ahead = self._kept[self._consumed : self._consumed + size]
            more = self._stream.read(size - len(ahead)) if len(ahead) < size else b""
            self._kept += more
            data = ahead + more
        self._consumed += len(data)
        return data

    def readline(self) -> bytes:
        if self._can_seek:
            line = self._stream.readline()
        else:
            line_end = self._kept.find(b"\n", self._consumed) + 1
            if not line_end:
                self._kept += self._stream.readline()
                line_end = len(self._kept)
            line = self._kept[self._consumed : line_end]
        self._consumed += len(line)
        return line

    def seek(self, offset: int, whence: int) -> None:
        """Skip *offset* bytes; *whence* is always the current position."""
        if whence != os.SEEK_CUR:
            raise io.UnsupportedOperation("only relative to the current position")
        if self._can_seek:
            self._stream.seek(offset, os.SEEK_CUR)
            self._consumed += offset
        else:
            self.read(offset)


class MemoryFile:
    """A file in memory that replaces the one on disk, atomically, when it is flushed. Any number of threads may use it.

    It continues the file that is there.

    Args:
        name: the file's name.
        path: the directory it is in.
        disk: the disk that has the directory.

    Attributes:
        name: the file's name.
        path: the directory it is in.
        buffer: the whole file; its position is where the next write goes.
        lock: held while the buffer is used.
    """

    def __init__(self, name: str, path: str, disk: Disk | None = None) -> None:
        self.name = name
        self.path = path
        self.buffer = io.BytesIO()
        self.lock = threading.RLock()
        self._disk = disk or Disk()
        self._file_path = os.path.join(path, name)
        if self._disk.exists(self._file_path):
            with self._disk.open_to_read(self._file_path) as file:
                for chunk in file.chunks(0, file.size()):
                    self.buffer.write(chunk)

    def write(self, data: bytes) -> None:
        """Append *data*."""
        with self.lock:
            self.buffer.write(data)

    def stream(self) -> io.BytesIO:
        """Copy the whole file, flushed or not."""
        with self.lock:
            return io.BytesIO(self.buffer.getvalue())

    def flush(self) -> None:
        """Replace the file on disk; it is never there in part, and survives a loss of power when this returns.

        Raises:
            EventWriteException: if that fails; the buffer keeps everything, and a later flush tries again.
        """
        with self.lock:
            data = memoryview(self.buffer.getvalue())
            chunks = (bytes(data[at : at + _CHUNK_SIZE]) for at in range(0, len(data), _CHUNK_SIZE))
            if not self._disk.exists(self._file_path):
                replace_file(self._disk, self._file_path, chunks)
                return
            with self._disk.open_to_read(self._file_path) as old:  # for its permissions and owner
                replace_file(self._disk, self._file_path, chunks, old, 0)


class DataFile(NamedTuple):
    """A minute file: its path, and the whole seconds it spans."""

    path: str
    start: int
    end: int


class FileIndex:
    """The minute files of a directory, by time. Names that are not ``<start>-<end>`` are ignored.

    Args:
        root_dir: the directory.

    Attributes:
        root: the directory.
    """

    def __init__(self, root_dir: str) -> None:
        self.root = root_dir
        self._files = self._load_files(root_dir)

    @property
    def files(self) -> list[DataFile]:
        """The files, sorted by start: a copy."""
        return list(self._files)

    @files.setter
    def files(self, files: list[DataFile]) -> None:
        self._files = sorted(files, key=_span)

    def _load_files(self, root_dir: str) -> list[DataFile]:
        """Find the files in *root_dir*, sorted by start; a subclass may find others."""
        found = map(self._load_data_file, Disk().list_names(root_dir))
        return sorted((file for file in found if file is not None), key=_span)

    def _load_data_file(self, name: str) -> DataFile | None:
        """Make what is known of the file *name*; None if it is not a minute file. A subclass may know other names."""
        match = _FILE_NAME.fullmatch(name)
        if match is None or int(match[1]) > int(match[2]):
            return None
        return DataFile(os.path.join(self.root, name), int(match[1]), int(match[2]))

    def find(self, ts_from: float, ts_to: float | None) -> list[DataFile] | None:
        """Find the files that may hold events from one time to another, both included.

        Args:
            ts_from: seconds since the epoch.
            ts_to: seconds since the epoch; open when 0 or None.

        Returns:
            The files sorted by start; None when there are none.
        """
        started = self._files
        if ts_to:
            started = started[: bisect.bisect_right(started, ts_to, key=lambda file: file.start)]
        return [file for file in started if file.end >= ts_from] or None

    def find_event_file(self, timestamp: float) -> DataFile | None:
        """Find the first file that ends at or after *timestamp*; None outside of the whole span."""
        if not self._files or timestamp < self._files[0].start:
            return None
        return next((file for file in self._files if file.end >= timestamp), None)

    def add_file(self, name: str) -> None:
        """Add the file *name*; a name that is not one of a minute file is ignored."""
        file = self._load_data_file(name)
        if file is not None and file not in self._files:
            bisect.insort(self._files, file, key=_span)


def _span(file: DataFile) -> tuple[int, int]:
    return file.start, file.end
