"""Tags of the fields of events, like ``status=500``."""

import re
from functools import lru_cache

from store.format.record import decode_text

__all__ = ["VALUE_SIZE_MAX", "tag_of"]

VALUE_SIZE_MAX = 200
"""Maximum size of an escaped value, in bytes; a longer one is cut."""
_KEPT = 4096
"""How many tags are kept: most fields that are worth a tag have few values."""
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
