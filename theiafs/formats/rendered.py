"""Events had back from lines of ``events.jsonl``: see :mod:`theiafs.rendering.jsonl` for how they are rendered."""

import base64
from collections.abc import Mapping, Sequence
from operator import itemgetter

from store import Event
from store.format.record import decode_text
from theiafs.formats.members import decode_objects

__all__ = ["read_rendered"]

_NAMES = frozenset(["timestamp", "id", "source", "tags", "level", "message"])
"""The names of the members of every line."""

_FIELDS = itemgetter("id", "source", "tags", "message")
_BASE64 = "_base64"
_ALL_NAMES = _NAMES | {name + _BASE64 for name in ("id", "source", "tags", "message")}
"""Those that a line may have: the exact bytes of the fields that are not UTF-8 as well."""


def read_rendered(lines: Sequence[bytes], ticks: Sequence[int]) -> list[Event | None]:
    """Read the events in *lines*, whose times are *ticks*; None for a line that no event is rendered as.

    The level is not read: it follows from the tags and the content.
    """
    rows = decode_objects(lines).rows
    return [_event(members, time) for members, time in zip(rows, ticks, strict=True)]


def _event(members: Mapping[str, object], ticks: int) -> Event | None:
    if members.keys() != _NAMES:
        if not _NAMES <= members.keys() <= _ALL_NAMES:
            return None
        members = _with_exact_bytes(members)
    event_id, source, tags, content = _FIELDS(members)
    if not type(event_id) is type(source) is type(content) is str or type(tags) is not list:
        return None
    if "\n" in event_id or "\n" in source or not all(map(_is_tag, tags)):
        return None
    return Event(event_id, source, tags=tags, content=content, ticks=ticks)


def _is_tag(tag: object) -> bool:
    return isinstance(tag, str) and tag != "" and "," not in tag and "\n" not in tag


def _with_exact_bytes(members: Mapping[str, object]) -> dict[str, object]:
    """Return *members* with the texts of fields that are not UTF-8 in place of what was shown for them; None for a faulty one."""
    exact = dict(members)
    for name in members.keys() - _NAMES:
        value = members[name]
        field = name.removesuffix(_BASE64)
        exact[field] = list(map(_decode, value)) if isinstance(value, list) else _decode(value)
    return exact


def _decode(value: object) -> str | None:
    """Decode a *value* in base64; None if it is not that."""
    if not isinstance(value, str):
        return None
    try:
        return decode_text(base64.b64decode(value, validate=True))
    except ValueError:
        return None
