"""The forms in which logs write times.

==============================================  ===================================================================
``2026-11-23T10:15:00.123456Z``, ``+01:00``     ISO 8601 and RFC 3339; also with a blank, a comma, without seconds
``2026-11-23 10:15:00,123``, ``2026/11/23 …``   Python, log4j, nginx's error log, Go
``20261123T101500Z``, ``20261123101500``        ISO 8601, basic; with a blank or a dash, colons in the time
``081109 203615``, ``17/06/09 20:10:40``        Hadoop, Spark, MySQL: a year of two digits is from 1969 to 2068
``23/Nov/2026:10:15:00 +0000``                  access logs
``Mon, 23 Nov 2026 10:15:00 +0000``             RFC 2822, Redis; with dashes, Tomcat and BIND
``Mon Nov 23 10:15:00.123 2026``                ctime, ``date``, Apache's error log
``Nov 23 10:15:00``, ``Nov 23 2026 10:15:00``   RFC 3164
``I1123 10:15:00.123456``                       klog, without a year
``1795428900``, ``1795428900.123``              Unix time, in the unit that the number of digits says
==============================================  ===================================================================

A fraction has up to 30 digits after a comma or a dot. An offset is ``Z``, ``UTC``, ``GMT``, ``+01:00``, ``+0100``, ``+01`` or one of the
American abbreviations of RFC 2822; any other abbreviation says nothing, because many of them mean several zones.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["SIZE_MAX", "TICK_DIGITS", "TIME", "Form", "find_form", "full_year"]

SIZE_MAX = 64
"""Maximum size of a time, in bytes."""

TICK_DIGITS = 7
"""The number of decimals of a second in a tick; further ones are cut off."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}  # fmt: skip
"""The months by their names."""

_OFFSETS = {
    b"Z": 0, b"z": 0, b"UTC": 0, b"GMT": 0,
    b"EST": -18_000, b"EDT": -14_400, b"CST": -21_600, b"CDT": -18_000,
    b"MST": -25_200, b"MDT": -21_600, b"PST": -28_800, b"PDT": -25_200,
}  # fmt: skip
"""Offsets from UTC by their names, in seconds."""
_OUT_OF_RANGE = 86_400
"""In place of the seconds of an offset of a day or more."""

_SHIFTS = {
    **dict.fromkeys((1, 2, 3, 5, 6, 7, 9, 10, 11), 0),
    **dict.fromkeys((12, 13, 14), 3),
    **dict.fromkeys((15, 16, 17), 6),
    **dict.fromkeys((18, 19), 9),
}
"""By the number of digits of a Unix time before its point: how many of them are decimals of a second."""

_TWO_DIGITS_FROM = 69
"""The first year of two digits that is one of the 1900s, as in POSIX."""

_MONTH = rb"(?P<month>" + b"|".join(_MONTHS) + rb")"
_WEEKDAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_FRACTION = rb"(?:[.,](?P<fraction>[0-9]{1,30}))?"
_OFFSET = (
    rb"(?:(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?|[Zz]|(?:UTC|GMT)(?![+-]))"
    rb"| (?P<offset_2>[+-][0-9]{2}:?[0-9]{2}|Z|[A-Z]{3,5})(?: \(?[A-Z]{3,5}\)?)?)?"
)
_CLOCK = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})" + _FRACTION + rb")?"
_COMPACT_CLOCK = (
    rb"(?P<hour>[0-9]{2}):?(?P<minute>[0-9]{2}):?(?P<second>[0-9]{2})" + _FRACTION
)  # fmt: skip
_FORMS = (
    rb"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{2})[-/.](?P<day>[0-9]{2})"
    rb"(?:[Tt _](?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})"
    + _FRACTION
    + rb")?|(?<=[Tt][0-9]{2}))"
    + _OFFSET
    + rb")?",
    rb"(?P<year>(?:19|20)[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2})(?:[T -]?"
    + _COMPACT_CLOCK
    + _OFFSET
    + rb"|T(?P<hour_2>[0-9]{2})(?P<minute_2>[0-9]{2})?(?P<offset_3>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?",
    rb"(?P<short_year>[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2}) " + _COMPACT_CLOCK,
    rb"(?P<short_year>[0-9]{2})/(?P<month>[0-9]{2})/(?P<day>[0-9]{2}) " + _CLOCK,
    rb"(?:" + _WEEKDAY + rb", )?(?P<day>[0-9]{1,2})[-/ ]" + _MONTH + rb"[-/ ](?P<year>[0-9]{4})[: ]"
    + _CLOCK + _OFFSET,
    _WEEKDAY + rb" " + _MONTH + rb" {1,2}(?P<day>[0-9]{1,2}) " + _CLOCK
    + rb"(?: (?P<offset>[+-][0-9]{4}|[A-Z]{3,5}))? (?P<year>[0-9]{4})",
    rb"(?:" + _WEEKDAY + rb" )?" + _MONTH + rb" {1,2}(?P<day>[0-9]{1,2})(?: (?P<year>[0-9]{4}))? "
    + _CLOCK + rb"(?: (?P<offset>UTC|GMT))?",
    rb"[DIWEF](?P<month>[0-9]{2})(?P<day>[0-9]{2}) {1,2}" + _CLOCK,
)  # fmt: skip
_UNIX = rb"(?P<unix>[0-9]{1,19})(?:\.(?P<fraction>[0-9]{1,30}))?"

_START = re.compile(rb"[0-9]|[DEFIWJASONMT][0-9a-z]")
"""Two bytes that a time may begin with: most texts that are none do not."""
_PATTERNS = tuple(re.compile(form) for form in (*_FORMS, _UNIX))

_RECENT_UNIX = rb"1[0-9]{9}(?:\.[0-9]{1,30})?|1[0-9]{12}|1[0-9]{15}|1[0-9]{18}"
"""Unix times from 2001 to 2033: at the start of a line, other numbers are rarely times."""

TIME = re.sub(rb"\(\?P<\w+>", b"(?:", b"|".join((*_FORMS, _RECENT_UNIX)))
"""The source of a pattern, without groups to capture, of the times that a line may begin with."""


class Form(NamedTuple):
    """The form of a time.

    Attributes:
        digits: by the names of its fields, where in the text their digits lie: ``year`` or ``short_year``, ``month``, ``day``, ``hour``,
            ``minute``, ``second``, ``fraction``, as far as it has them; or ``unix``, seconds since the epoch, and ``fraction``.
        month: the number of a month that is written as a name; 0 if it is not.
        offset: the offset from UTC, in seconds; None if the text does not say it.
    """

    digits: Mapping[str, Sequence[int]]
    month: int
    offset: int | None


def find_form(text: bytes) -> Form | None:
    """Find the form of the time that the whole of *text* is; None if it is no time."""
    if len(text) > SIZE_MAX or not _START.match(text):
        return None
    for pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        if found is None:
            continue
        fields = {
            name.rstrip("_23"): range(*found.span(name))
            for name in pattern.groupindex
            if found[name] is not None
        }
        if "unix" in fields:
            return _unix(fields)
        return _calendar(text, fields)
    return None


def full_year(form: Form, year: int) -> int | None:
    """Return the *year* of a text of *form*, all four digits of it; None if the form has none."""
    if "short_year" in form.digits:
        return year + (2000 if year < _TWO_DIGITS_FROM else 1900)
    return year if "year" in form.digits else None


def _unix(fields: Mapping[str, range]) -> Form | None:
    """Return the form of a Unix time with *fields*; None if no unit has numbers of its size."""
    places = [*fields["unix"], *fields.get("fraction", ())]
    shift = _SHIFTS.get(len(fields["unix"]))
    if shift is None:
        return None
    whole = len(fields["unix"]) - shift
    return Form({"unix": places[:whole], "fraction": places[whole:]}, 0, None)


def _calendar(text: bytes, fields: dict[str, range]) -> Form | None:
    """Return the form of *text*, a calendar time with *fields*; None if its offset is out of range."""
    offset = None
    if "offset" in fields:
        place = fields.pop("offset")
        offset = _parse_offset(text[place.start : place.stop])
        if offset == _OUT_OF_RANGE:
            return None
    place = fields["month"]
    month = _MONTHS.get(text[place.start : place.stop], 0)
    if month:
        del fields["month"]
    return Form(fields, month, offset)


def _parse_offset(text: bytes) -> int | None:
    """Return the seconds of *text*, an offset from UTC; None for an abbreviation that says nothing, or ``_OUT_OF_RANGE``."""
    if text[:1] not in (b"+", b"-"):
        return _OFFSETS.get(text)
    digits = text[1:].replace(b":", b"").ljust(4, b"0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        return _OUT_OF_RANGE
    seconds = hours * 3600 + minutes * 60
    return -seconds if text.startswith(b"-") else seconds
