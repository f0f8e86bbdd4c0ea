"""Whole writes: what one write appends is one event, so that a stack trace stays whole."""

from collections.abc import Callable

from store import Batch, EventTooLarge, InvalidEvent, in_decimal
from theiafs.addition import Addition
from theiafs.origin import Origin
from theiafs.refusal import Refused

__all__ = ["LARGEST_WRITE", "WholeWrites"]

_PAGE_SIZE = 4096
LARGEST_WRITE = 128 << 10
"""The size of the largest write that the kernel passes on in one piece, where nothing else is said, in bytes."""


class WholeWrites:
    """The incomplete write through one open file.

    The kernel passes a large write on in pieces: one of about the largest size is continued by the next. Only one
    thread at a time may use it.

    Args:
        addition: what the directory appended to says of its events.
        event_size_max: size limit of an event, in bytes.
        largest_write: the size of the largest piece, in bytes. The kernel cuts at pages of memory, so a piece may lack part of one.
    """

    def __init__(
        self, addition: Addition, event_size_max: int, largest_write: int = LARGEST_WRITE
    ) -> None:
        self._addition = addition
        self._event_size_max = event_size_max
        self._largest_write = largest_write
        self._partial = bytearray()
        self._refused = Refused()

    @property
    def is_empty(self) -> bool:
        """Whether there is no partial event."""
        return not self._partial

    def append(self, data: bytes, origin: Origin, save: Callable[[Batch], None]) -> int:
        """Append *data*, a write or a piece of one, and save the event that it completes.

        Args:
            data: the bytes.
            origin: the source and the time of the event.
            save: stores events.

        Returns:
            How many of the bytes were accepted: all of them.

        Raises:
            InvalidEvent: if the event is too large, or does not belong in the directory; nothing of it is stored.
            EventStoreException: if it could not be saved; nothing of it is stored.
        """
        self._refused.check(data)
        is_continued = len(data) > self._largest_write - _PAGE_SIZE
        if len(self._partial) + len(data) > self._event_size_max + len(b"\r\n"):
            failure = self._too_large()
            if self._partial:
                # Its writer learns that a part was accepted, and writes the rest again.
                self._refused.note(data, failure)
                self._partial.clear()
            raise failure
        self._partial += data
        if not is_continued:
            self.finish(origin, save)
        return len(data)

    def finish(self, origin: Origin, save: Callable[[Batch], None]) -> None:
        """Save the partial event.

        Raises:
            InvalidEvent: as :meth:`append` does.
            EventStoreException: if it could not be saved.
        """
        content = bytes(self._partial).removesuffix(b"\n").removesuffix(b"\r")
        self._partial.clear()
        if not content.strip():
            return
        if len(content) > self._event_size_max:
            raise self._too_large()
        if not self._addition.query.includes(origin.now):
            when = in_decimal(origin.now)
            raise InvalidEvent(f"an event of the time {when} does not belong in this range")
        batch = Batch()
        source, tags = self._addition.to(origin.source, [])
        batch.add_line(content, origin.now, source, tags)
        save(batch)

    def _too_large(self) -> EventTooLarge:
        return EventTooLarge(
            f"an event of more than {self._event_size_max} bytes (-o max_event); nothing of it is stored"
        )
