"""Positions: how far a copy has come, as the destination keeps it."""

import base64
import hashlib
from typing import NamedTuple

__all__ = ["Position", "minute_key", "state_name"]

_FORMAT = b"copied 1"
"""Begins a position; what another release has written otherwise is none."""


class Position(NamedTuple):
    """How far a copy has come: every minute was copied as it was at the cursor *before*, and those up to *reached* as at *after*.

    Attributes:
        before: the cursor of the source when the last copy that came to its end began; empty if none did.
        after: the cursor of the source when this copy began.
        reached: the name of the last minute that this copy has copied; empty if it came to its end, or has copied none.
    """

    before: bytes = b""
    after: bytes = b""
    reached: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the copy has come to its end."""
        return self.before == self.after

    def pack(self) -> bytes:
        """Return this position for :meth:`unpack`."""
        cursors = (base64.b64encode(each) for each in (self.before, self.after))
        return b"\n".join([_FORMAT, *cursors, self.reached.encode()])

    @classmethod
    def unpack(cls, data: bytes) -> "Position":
        """Return the position that was packed as *data*; the beginning if that is something else."""
        try:
            found_format, *cursors, reached = data.split(b"\n")
            before, after = (base64.b64decode(each, validate=True) for each in cursors)
            position = cls(before, after, reached.decode())
            minute_key(position.reached or "0-0")
        except ValueError:
            return cls()
        return position if found_format == _FORMAT else cls()


def minute_key(minute: str) -> tuple[int, int]:
    """Return the start and the end of *minute*, by which minutes are sorted.

    Raises:
        ValueError: if it is the name of none.
    """
    start, end = minute.split("-")
    return int(start), int(end)


def state_name(identity: str) -> str:
    """Return the name of the state in which a destination keeps the position of copies from the store with *identity*."""
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    return f"copy-{digest[:32]}"
