"""Reading answers of stores in tests."""

from store import Answer, EventReadException

__all__ = ["EVERYTHING", "ids_in", "read_available"]

EVERYTHING = 1 << 20
"""More bytes than any answer here has."""


def read_available(answer: Answer, offset: int = 0) -> bytes | None:
    """Read *answer* from *offset* to its end; None if bytes of a minute that has changed are among them."""
    try:
        return answer.read(offset, EVERYTHING)
    except EventReadException:
        return None


def ids_in(data: bytes) -> list[str]:
    """Return the ids of the events in *data*."""
    return [line[3:].decode() for line in data.split(b"\n") if line.startswith(b"id:")]
