"""Access logs of web servers, in the formats common and combined, which nginx and Apache write.

::

    host ident user [23/Nov/2026:10:15:00 +0000] "GET /path?query HTTP/1.1" 200 1234 "referer" "agent"

Common has neither referer nor agent; more may follow. Before the host, there may be a virtual host, as in Apache's ``vhost_combined``. No line
says a source. Fields that may be tags: ``vhost``, ``host`` (of the client), ``user``, ``method``, ``path`` (without the query), ``protocol``,
``status``, ``size``, ``referer``, ``agent``. A request that is none of HTTP's has no method, path and protocol.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from theiafs.formats.fields import NO_TIME, Fields, Format, Rules
from theiafs.formats.keys import capture_only, tags_of_columns
from theiafs.formats.times import read_times

__all__ = ["Combined"]

_PATTERNS_KEPT = 64
# Possessive: going back costs memory for each repeat. Of groups, only those are that cannot fail after their first byte, for
# Python before 3.11.5 does not go back to where such a group began (python/cpython#106052).
_QUOTED = rb'[^"\\]*+(?:\\.?+[^"\\]*+)*+'
_START = (
    rb"(?:(?P<vhost>[^ ]{1,255}) )??(?P<host>[^ ]{1,255}) (?:-|[^ ]{1,255}(?= [^ \[]{1,255} \[)) "
    rb'(?P<user>[^\[]{1,255}) \[(?P<time>[^\]]{1,40})\] "'
)
_REQUEST = (
    rb'(?:(?P<method>[A-Za-z_-]{1,32}) (?P<path>[^ "?\\]*+(?:\\.?+[^ "?\\]*+)*+)[^ "\\]*+(?:\\.?+[^ "\\]*+)*+'
    rb'(?: (?P<protocol>[A-Z]{1,8}/[0-9.]{1,8})(?="))?)?'
)
_RESULT = _QUOTED + rb'" (?P<status>[0-9]{3}) (?P<size>[0-9]{1,20}|-)(?![^ ])'
_CALLER = rb' "(?P<referer>' + _QUOTED + rb')" "(?P<agent>' + _QUOTED + rb')"'
_PARTS = (
    (_REQUEST, {"method", "path", "protocol"}),
    (_RESULT, {"status", "size"}),
    (_CALLER, {"referer", "agent"}),
)
"""The parts of a line after its start, and the fields of each."""


class Combined(Format):
    """The format ``combined``. A line is in it if it begins like that, up to the quote before the request."""

    name = "combined"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        """Read the times of *lines* by *rules*, and their fields that become tags."""
        pattern = _pattern(frozenset(rules.keys))
        absent = (None,) * pattern.groups
        matched = [found.groups() if found else absent for found in map(pattern.match, lines)]
        columns = dict(zip(pattern.groupindex, zip(*matched, strict=True), strict=bool(matched)))
        ticks = read_times(columns.get("time", ()), rules)
        return Fields(
            ticks,
            [None] * len(lines),
            tags_of_columns(rules.keys, columns, len(lines)),
            ticks != NO_TIME,
            {},
        )


@lru_cache(_PATTERNS_KEPT)
def _pattern(keys: frozenset[str]) -> re.Pattern[bytes]:
    """Return a pattern that captures the time and the fields *keys*; which lines match does not depend on them."""
    rest = b""
    for part, fields in reversed(_PARTS):
        # A request none of whose fields is asked for is passed over like any other text in quotes, in less time.
        if keys & fields or (rest and part != _REQUEST):
            rest = b"(?:%b%b)?" % (part, rest)
    return capture_only(_START + rest, {*keys, "time"})
