"""Syslog: what daemons send, and what rsyslog and syslog-ng write into files.

===============================================================  =========================================================
``<34>1 2026-11-23T10:15:00.003Z host app 123 msgid [sd] text``  RFC 5424
``<34>Nov 23 10:15:00 host app[123]: text``                      RFC 3164; files have no ``<34>``, local sockets no host
``2026-11-23T10:15:00.123456+01:00 host app[123]: text``         files of rsyslog (its default) and syslog-ng (``ts-format(iso)``)
===============================================================  =========================================================

The source is the name of the program, if a colon or a process id in brackets follows it, or the line is of RFC 5424. Fields that may be
tags: ``host``, ``pid``, ``msgid``, and, by their names, ``facility`` and ``severity``, which only lines that begin with a priority say.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from store.format.record import decode_text
from theiafs.formats.fields import NO_TIME, Fields, Format, Rules
from theiafs.formats.keys import NIL, capture_only, tags_of_columns
from theiafs.formats.sources import is_source
from theiafs.formats.times import read_times

__all__ = ["Syslog"]

_PATTERNS_KEPT = 64
# Repeats of bytes are possessive: each ends before one that it excludes. A third of the time went into keeping the way back.
_IN_FILES = (
    rb"(?:<(?P<priority>[0-9]{1,3}+)>)?"
    # Reading a time checks it. The last form has a year or a fraction.
    rb"(?P<time>[A-Z].{5} .{8}|[0-9]{4}-[^ ]{6,40}+|[A-Z][a-z]{2} [ 0-9][0-9](?: [0-9]{4})? [0-9:]{8}(?:\.[0-9]{1,9}+)?) "
    rb"(?:(?P<host>[^ \n\[]{1,255}+(?<!:)) )?"
    rb"(?:(?P<app>[^ \n\[:]{1,255}+)(?:\[(?P<pid>[^\] ]{0,128}+)\]|:))?(?P<msgid>(?!))?"
)
_RFC_5424 = (
    rb"(?:<(?P<priority>[0-9]{1,3}+)>)?[0-9]{1,2}+ (?P<time>-|[0-9]{4}-[^ ]{6,40}+) "
    rb"(?P<host>[^ \n]{1,255}+) (?P<app>[^ \n]{1,48}+) (?P<pid>[^ \n]{1,128}+) (?P<msgid>[^ \n]{1,32}+)(?![^ \n])"
)
_FACILITIES = (
    b"kern", b"user", b"mail", b"daemon", b"auth", b"syslog", b"lpr", b"news", b"uucp", b"cron", b"authpriv", b"ftp",
    b"ntp", b"audit", b"alert", b"clock", *(b"local%d" % number for number in range(8)),
)  # fmt: skip
_SEVERITIES = (b"emerg", b"alert", b"crit", b"err", b"warning", b"notice", b"info", b"debug")
_BY_PRIORITY: dict[bytes | None, tuple[bytes, bytes]] = {
    b"%d" % (8 * major + minor): (facility, severity)
    for major, facility in enumerate(_FACILITIES)
    for minor, severity in enumerate(_SEVERITIES)
}
_NO_PRIORITY: tuple[bytes | None, bytes | None] = (None, None)


class Syslog(Format):
    """The format ``syslog``."""

    name = "syslog"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        """Read the times and the sources of *lines* by *rules*, and their fields that become tags."""
        patterns = _patterns(frozenset(rules.keys))
        # Lines of one log are of one kind: it is told by the first.
        if lines and patterns[1].match(lines[0]):
            patterns = patterns[::-1]
        usual, other = patterns
        absent = (None,) * usual.groups
        matched = [found.groups() if found else absent for found in map(usual.match, lines)]
        columns: dict[str, list[bytes | None]] = {
            name: [None] * len(lines) for name in (*usual.groupindex, *other.groupindex)
        }
        columns.update(zip(usual.groupindex, map(list, zip(*matched, strict=True)), strict=False))
        times, apps = columns["time"], columns["app"]
        ticks = read_times(times, rules)
        unread = np.flatnonzero(ticks == NO_TIME).tolist()
        rest = [row for row in unread if times[row] != NIL]
        for row in rest:
            found = other.match(lines[row])
            said = found.groupdict() if found else {}
            for name, column in columns.items():
                column[row] = said.get(name)
        ticks[rest] = read_times([times[row] for row in rest], rules)
        is_parsed = ticks != NO_TIME
        is_parsed[[row for row in unread if times[row] == NIL]] = True
        names = {app: _source(app) for app in set(apps)}
        sources = list(map(names.__getitem__, apps))
        return Fields(ticks, sources, _tags(columns, rules, len(lines)), is_parsed, {})


def _source(app: bytes | None) -> str | None:
    """Return the source that is the name of the program *app*; None if it can be none."""
    text = decode_text(app) if app and app != NIL else ""
    return text if is_source(text) else None


@lru_cache(_PATTERNS_KEPT)
def _patterns(keys: frozenset[str]) -> tuple[re.Pattern[bytes], ...]:
    """Return patterns of lines in files and of RFC 5424 that capture the time, the program and what *keys* need."""
    names = {*keys, "time", "app"}
    if keys & {"facility", "severity"}:
        names.add("priority")
    return capture_only(_IN_FILES, names), capture_only(_RFC_5424, names)


def _tags(
    columns: Mapping[str, Sequence[bytes | None]], rules: Rules, count: int
) -> Sequence[tuple[str, ...]]:
    """Return the tags of *count* lines, whose fields are *columns*, by *rules*."""
    values = dict(columns)
    priorities = values.pop("priority", ())
    for place, name in enumerate(("facility", "severity")):
        if name in rules.keys:
            values[name] = [_BY_PRIORITY.get(each, _NO_PRIORITY)[place] for each in priorities]
    return tags_of_columns(rules.keys, values, count)
