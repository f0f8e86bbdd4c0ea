"""Lines of ``journalctl -o json``: each an object with the fields of an entry of systemd's journal.

The time is when the journal received the entry, ``__REALTIME_TIMESTAMP``; a line without it is not in the format. The source is the first of
``SYSLOG_IDENTIFIER``, ``_SYSTEMD_UNIT`` and ``_COMM``. A field that is not UTF-8 is an array of its bytes, and one that an entry
has several times an array of its values, of which the first counts.
"""

from collections.abc import Sequence

import numpy as np

from store import TICKS_MAX
from store.format.record import decode_text
from theiafs.formats.fields import NO_TIME, Fields, Format, Rules
from theiafs.formats.keys import tags_of_columns
from theiafs.formats.members import decode_objects, text_of
from theiafs.formats.sources import first_sources

__all__ = ["Journal"]

_TIME = "__REALTIME_TIMESTAMP"
_SOURCES = ("SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_COMM")
_TICKS_PER_US = 10
_DIGITS_MAX = len(str(TICKS_MAX)) - 1


class Journal(Format):
    """Lines of ``journalctl -o json``."""

    name = "journal"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        """Read the fields of *lines* by *rules*."""
        objects = decode_objects(lines, (_TIME, *_SOURCES, *rules.keys))
        ticks = np.array(list(map(_ticks, objects.column(_TIME))), np.int64)
        are_entries = ticks != NO_TIME
        for row in np.flatnonzero(~are_entries).tolist():
            objects.rows[row].clear()
        sources = (list(map(_source, objects.column(name))) for name in _SOURCES)
        tagged = {key: list(map(_text, objects.column(key))) for key in rules.keys}
        return Fields(
            ticks,
            first_sources(sources, len(lines)),
            tags_of_columns(rules.keys, tagged, len(lines)),
            are_entries,
            {},
        )


def _ticks(value: object) -> int:
    """Return the ticks of the *value* of a time, which is the text of a number of microseconds."""
    if not isinstance(value, str) or not value.isdecimal() or len(value) >= _DIGITS_MAX:
        return NO_TIME
    return int(value) * _TICKS_PER_US


def _source(value: object) -> str | None:
    """Return the source that the *value* of a field says, None if it has no text."""
    if isinstance(value, str):
        return value
    text = _text(value)
    return None if text is None else decode_text(text)


def _text(value: object) -> bytes | None:
    """Return the text of the *value* of a field, None if it has none."""
    if isinstance(value, list) and value and isinstance(value[0], str | list):
        value = value[0]
    if not isinstance(value, list):
        return text_of(value)
    are_bytes = all(isinstance(each, int) and 0 <= each < 256 for each in value)
    return bytes(value) if are_bytes else None
