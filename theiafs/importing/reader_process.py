"""The reader process: it reads the fields of lines while this process selects and saves those before them."""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from theiafs.errors import ImportFailed
from theiafs.formats.fields import Fields, Format, Kind, Rules
from theiafs.importing.ids import Words, digests_of
from theiafs.importing.multiline import Contents

__all__ = ["Lines", "ReaderProcess"]


class Lines(NamedTuple):
    """Lines that were read.

    Attributes:
        fields: their fields, but for the sources and the tags.
        places: for each of them, the index of its kind in *kinds*.
        kinds: the distinct sources with tags.
        digests: the hashes of the lines.
    """

    fields: Fields
    places: npt.NDArray[np.intp]
    kinds: list[Kind]
    digests: Words

    def only(self, rows: list[int]) -> "Lines":
        """Return what says the kinds and the hashes of *rows*, with the fields of all."""
        return self._replace(places=self.places[rows], digests=self.digests[:, rows])


class ReaderProcess:
    """Another process, in which formats read lines. It ends with the context, or with this process, however that ends.

    It is to be started before this process has threads and locks: it is a copy of this one.

    Raises:
        ImportFailed: if it cannot be started.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        try:
            self._connection, other = context.Pipe()
            self._process = context.Process(
                target=_serve, args=(other, self._connection), name="reader", daemon=True
            )
            self._process.start()
        except OSError as error:
            raise ImportFailed(
                f"cannot start a process that reads lines: {error.strerror}; raise the limit, or end others"
            ) from error
        other.close()

    def read(
        self, pieces: Iterable[Contents], format_: Format, rules: Rules
    ) -> Iterator[tuple[Contents, Lines]]:
        """Yield each of *pieces* as it is, and read by *rules* as lines in *format_*; the next piece is read meanwhile. Iterating over *pieces* raises nothing.

        Raises:
            ImportFailed: if the process has ended.
        """
        before: Contents | None = None
        for piece in pieces:
            lines = None if before is None else self._receive()
            self._send(piece.texts, format_, rules)
            if before is not None and lines is not None:
                yield before, lines
            before = piece
        if before is not None:
            yield before, self._receive()

    def _send(self, lines: list[bytes], format_: Format, rules: Rules) -> None:
        # Its signal would end this process without a word.
        before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        try:
            with self._checking():
                self._connection.send((lines, format_, rules))
        finally:
            signal.signal(signal.SIGPIPE, before)

    def _receive(self) -> Lines:
        with self._checking():
            answer: Lines | Exception = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    @contextlib.contextmanager
    def _checking(self) -> Iterator[None]:
        """Raise ImportFailed if the process turns out to have ended."""
        try:
            yield
        except (EOFError, OSError) as error:
            # OSError: it ended within an answer.
            raise ImportFailed(
                f"process {self._process.pid}, which reads the lines, was ended, perhaps for want of memory: import again to go on"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, end_of_others: Connection) -> None:
    """Read lines as *connection* asks, until its other end is closed; *end_of_others* is the other end, which is not ours."""
    # Ctrl-C reaches all processes of a terminal. This one ends with the other.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_of_others.close()
    with contextlib.suppress(EOFError, OSError):  # OSError: it was closed within a request
        while True:
            lines, format_, rules = connection.recv()
            try:
                answer: Lines | Exception = _read(lines, format_, rules)
            except Exception as error:  # noqa: BLE001 - raised in the other process
                answer = error
            connection.send(answer)


def _read(lines: list[bytes], format_: Format, rules: Rules) -> Lines:
    fields = format_.read(lines, rules)
    places, kinds = fields.kinds(0, len(lines))
    return Lines(fields._replace(sources=(), tags=()), places, kinds, digests_of(lines))
