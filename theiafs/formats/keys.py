"""Tags of the fields of events, like ``status=500``."""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from store.format.record import decode_text

__all__ = ["NIL", "VALUE_SIZE_MAX", "capture_only", "tag_of", "tags_of_columns"]

VALUE_SIZE_MAX = 200
"""Maximum size of an escaped value, in bytes; a longer one is cut."""
NIL = b"-"
"""The value of a field that is not known."""
_KEPT = 4096
"""How many tags are kept: most fields that are worth a tag have few values."""
_ABSENT = (None, b"", NIL)
_UNSAFE = re.compile(rb"[\x00-\x1f\x7f%,]")
_CUT_ESCAPE = re.compile(rb"%[0-9A-F]?\Z")
_LARGEST_CHARACTER = 4
"""Maximum size of a character in UTF-8, in bytes."""


def tag_of(key: str, value: bytes) -> str:
    """Return the tag that says that the field *key* has *value*.

    Commas, control bytes and ``%`` in the value are percent-encoded. It is cut at ``VALUE_SIZE_MAX`` bytes, but neither within an
    escape nor within a character.
    """
    # An escaped value is never shorter, and what is kept below must be bounded.
    return _tag_of(key, value[: VALUE_SIZE_MAX + 1])


def tags_of_columns(
    keys: Sequence[str], columns: Mapping[str, Sequence[bytes | None]], count: int
) -> Sequence[tuple[str, ...]]:
    """Return the tags of the fields *keys* of each of *count* lines.

    Args:
        keys: the names of the fields that become tags; those that there is no column of add none.
        columns: by the names of fields, their values in each line. A value that is None, empty or ``NIL`` adds no tag.
        count: the number of lines.
    """
    wanted = [key for key in keys if key in columns]
    if not wanted:
        return [()] * count
    rows = list(zip(*(columns[key] for key in wanted), strict=True))
    # Most rows are like others, and equal tags are the same object.
    distinct = {
        row: tuple(
            tag_of(key, value)
            for key, value in zip(wanted, row, strict=True)
            if value not in _ABSENT
        )
        for row in set(rows)
    }
    return list(map(distinct.__getitem__, rows))


def capture_only(pattern: bytes, names: Collection[str]) -> re.Pattern[bytes]:
    """Compile *pattern*, whose groups are named, so that only those of *names* are captured: fewer are faster."""

    def shown(group: re.Match[bytes]) -> bytes:
        return group[0] if group[1].decode() in names else b"(?:"

    return re.compile(re.sub(rb"\(\?P<(\w+)>", shown, pattern), re.DOTALL)


@lru_cache(_KEPT)
def _tag_of(key: str, value: bytes) -> str:
    escaped = _UNSAFE.sub(_percent, value)
    if len(escaped) > VALUE_SIZE_MAX:
        end = VALUE_SIZE_MAX
        while end > VALUE_SIZE_MAX - _LARGEST_CHARACTER and _is_within_character(escaped[end]):
            end -= 1
        escaped = _CUT_ESCAPE.sub(b"", escaped[:end])
    return f"{key}={decode_text(escaped)}"


def _is_within_character(byte: int) -> bool:
    return byte & 0b1100_0000 == 0b1000_0000


def _percent(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(found[0])
