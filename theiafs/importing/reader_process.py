"""The reader process: it reads the fields of lines while this process selects and saves those before them."""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from store import WorkerEnded, Workers
from theiafs.errors import ImportFailed
from theiafs.formats.fields import Fields, Format, Kind, Rules
from theiafs.importing.ids import Words, digests_of
from theiafs.importing.multiline import Contents

__all__ = ["Lines", "ReaderProcess"]


_Asked = tuple[list[bytes], Format, Rules]
"""Lines to be read in a format, by rules."""


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
        with _checking():
            self._workers = Workers(_read, 1, "reads the lines")

    def read(
        self, pieces: Iterable[Contents], format_: Format, rules: Rules
    ) -> Iterator[tuple[Contents, Lines]]:
        """Yield each of *pieces* as it is, and read by *rules* as lines in *format_*; the next piece is read meanwhile. Iterating over *pieces* raises nothing.

        Raises:
            ImportFailed: if the process has ended.
        """
        sent: deque[Contents] = deque()

        def asked() -> Iterator[_Asked]:
            for piece in pieces:
                sent.append(piece)
                yield piece.texts, format_, rules

        read = self._workers.map(asked())
        while True:
            with _checking():
                lines = next(read, None)
            if lines is None:
                return
            yield sent.popleft(), lines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._workers.__exit__(*exc_info)


@contextlib.contextmanager
def _checking() -> Iterator[None]:
    """Raise ImportFailed if the process cannot be started, or has ended."""
    try:
        yield
    except WorkerEnded as error:
        raise ImportFailed(str(error)) from error


def _read(asked: _Asked) -> Lines:
    lines, format_, rules = asked
    fields = format_.read(lines, rules)
    places, kinds = fields.kinds(0, len(lines))
    return Lines(fields._replace(sources=(), tags=()), places, kinds, digests_of(lines))
