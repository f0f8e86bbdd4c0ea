"""Whole writes: what one write appends is one event, so that a stack trace stays whole."""

from collections.abc import Callable

from store import Batch, EventTooLarge, InvalidEvent, in_decimal
from theiafs.addition import Addition
from theiafs.lines import BLANK
from theiafs.origin import Origin
from theiafs.refusal import Refused, start_of

__all__ = ["PIECE_SIZES", "WholeWrites"]

PIECE_SIZES = range((124 << 10) + 1, (128 << 10) + 1)
"""The sizes of the pieces of a large write but for its last, where nothing else is said, in bytes."""


_BLANKS = BLANK + b"\r\n"


class WholeWrites:
    """The incomplete write through one open file.

    The kernel passes a large write on in pieces: one of a size that pieces have is continued by the next. Only one
    thread at a time may use it.

    Args:
        addition: what the directory appended to says of its events.
        event_size_max: size limit of an event, in bytes.
        piece_sizes: the sizes of the pieces of a large write but for its last, in bytes.
    """

    def __init__(
        self, addition: Addition, event_size_max: int, piece_sizes: range = PIECE_SIZES
    ) -> None:
        self._addition = addition
        self._event_size_max = event_size_max
        self._piece_sizes = piece_sizes
        self._partial = bytearray()
        self._unsaved_start = b""  # of a last piece that could not be saved
        self._refused = Refused()

    @property
    def is_empty(self) -> bool:
        """Whether there is no partial event."""
        return not self._partial

    def append(self, data: bytes, origin: Origin, save: Callable[[Batch], None]) -> int:
        """Append *data*, a write or a piece of one, and save the event that it completes.

        When the last piece fails, the writer learns that those before it were accepted, and writes the rest again.

        Args:
            data: the bytes.
            origin: the source and the time of the event.
            save: stores events.

        Returns:
            How many of the bytes were accepted: all of them.

        Raises:
            InvalidEvent: if the event is too large, or does not belong in the directory; nothing of it is stored.
            EventStoreException: if it could not be saved; nothing of *data* is stored or kept.
        """
        self._refused.check(data)
        if self._unsaved_start and start_of(data) != self._unsaved_start:
            # Its writer has given the rest up: what was accepted was a write.
            self.finish(origin, save)
        size_before = len(self._partial)
        try:
            self._add(data)
            if len(data) not in self._piece_sizes:
                self.finish(origin, save)
        except InvalidEvent as failure:
            if size_before:
                self._refused.note(data, failure)
            self._drop()
            raise
        except Exception:
            del self._partial[size_before:]
            self._unsaved_start = start_of(data) if size_before else b""
            raise
        return len(data)

    def end_write(self, origin: Origin, save: Callable[[Batch], None]) -> None:
        """Save the partial event: the write that it is of has returned, all pieces of it.

        Raises:
            InvalidEvent: as :meth:`append` does.
            EventStoreException: if it could not be saved; it is kept.
        """
        self.finish(origin, save)

    def finish(self, origin: Origin, save: Callable[[Batch], None]) -> None:
        """Save the partial event.

        Raises:
            InvalidEvent: as :meth:`append` does.
            EventStoreException: if it could not be saved; it is kept.
        """
        content = bytes(self._partial).removesuffix(b"\n").removesuffix(b"\r")
        if content.strip(_BLANKS):
            self._check(content, origin)
            batch = Batch()
            source, tags = self._addition.to(origin.source, [])
            batch.add_line(content, origin.now, source, tags)
            save(batch)
        self._drop()

    def _add(self, data: bytes) -> None:
        """Add *data* to the partial event, if it is not too large then whatever follows."""
        if len(self._partial) + len(data) > self._event_size_max + len(b"\r\n"):
            raise self._too_large()
        self._partial += data

    def _check(self, content: bytes, origin: Origin) -> None:
        if len(content) > self._event_size_max:
            raise self._too_large()
        if not self._addition.query.includes(origin.now):
            when = in_decimal(origin.now)
            raise InvalidEvent(
                f"an event of the time {when} does not belong in this range: append it above the range"
            )

    def _drop(self) -> None:
        self._partial.clear()
        self._unsaved_start = b""

    def _too_large(self) -> EventTooLarge:
        return EventTooLarge(
            f"an event of more than {self._event_size_max} bytes; nothing of it is stored: mount with a larger -o max_event"
        )
