"""The names of time ranges: ``range/<name>``.

::

    name     = [ time ] ( ".." | "-" ) [ time ] | calendar | time "~" duration
             | [ "last-" ] duration | "newest-" duration
    time     = calendar | "@" seconds | number
    calendar = ISO 8601, basic or extended, to any precision | "today" | "yesterday"
    duration = count ( "s" | "m" | "h" | "d" | "w" )

Both ends are included. The number of digits before the point determines the unit: see ``_point``. A calendar time is the whole
of what it names: as a start it means its first tick, as an end its last. Every other time is a point.

A dash may be a separator, part of a date, or the sign of an offset from UTC. A name that is a calendar time is not a pair
of times, and a negative offset counts only where what follows rules out the other two.
"""

import calendar
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from store import TICKS_MAX, TICKS_PER_S, During
from theiafs.errors import InvalidName

__all__ = [
    "TICKS_PER_DAY",
    "YEAR_MIN",
    "Days",
    "Last",
    "Newest",
    "now_in_ticks",
    "parse_date",
    "parse_duration",
    "parse_range",
]

_FORMS = (
    "a range is <from>..<to> or <from>-<to> (either may be left out), <time>~30s, last-15m, 15m, newest-15m (s, m, h, d, w), "
    "today, yesterday, or a calendar time like 2026, 2026-11, 2026-11-23, 2026-11-23T10:15; a time is a calendar time, "
    "basic or extended, with Z, an offset or none; epoch seconds, milliseconds, microseconds or nanoseconds; "
    "or @ and epoch seconds"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK_DIGITS = 7
"""The number of decimals of a second in a tick."""
YEAR_MIN, _YEAR_MAX = 1970, 2999
"""The years that may be written as four digits alone: any other such number is probably a typo."""
_SECONDS_BY_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DECIMALS_BY_DIGITS = {
    **dict.fromkeys((1, 2, 3, 5, 6, 7, 9, 10, 11), 0),
    **dict.fromkeys((12, 13, 14), 3),
    **dict.fromkeys((15, 16, 17), 6),
    **dict.fromkeys((18, 19), 9),
}
"""By the number of digits before the point: how many of them are decimals of a second."""

_DURATION = re.compile(r"([1-9]\d{0,8})([smhdw])", re.ASCII)
_NUMBER = re.compile(r"(@?)(\d+)(?:\.(\d+))?", re.ASCII)
_OFFSET = r"(?P<offset>Z|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)?"
_EXTENDED = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?)?)?)?"
    + _OFFSET,
    re.ASCII,
)
_BASIC = re.compile(
    r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(?:(\d{2})(?:(\d{2})(?:[.,](\d+))?)?)?)?" + _OFFSET, re.ASCII
)
TICKS_PER_DAY = 86_400 * TICKS_PER_S
_DAYS_AGO = {"today": 0, "yesterday": 1}


class Last(NamedTuple):
    """The last *duration* ticks before the moment of the question.

    There is no end: later events belong to it, whatever their clock says.
    """

    duration: int

    def at(self, now: int) -> During:
        """Return the range as of *now*, in ticks since the epoch."""
        return During(max(now - self.duration, 0), TICKS_MAX)


class Newest(NamedTuple):
    """The last *duration* ticks before the newest event. There is no end, as for :class:`Last`."""

    duration: int

    def at(self, newest: int) -> During:
        """Return the range for the time of the *newest* event, in ticks since the epoch."""
        return During(max(newest - self.duration, 0), TICKS_MAX)


class Days(NamedTuple):
    """A range *name* in which ``today`` or ``yesterday`` occurs, and the *zone* whose midnight counts."""

    name: str
    zone: tzinfo

    def at(self, now: int) -> During:
        """Return the range as of *now*, in ticks since the epoch.

        Raises:
            InvalidName: if it ends before it starts.
        """
        moment = _EPOCH + timedelta(seconds=now // TICKS_PER_S)
        return _Parser(self.name, self.zone, moment.astimezone(self.zone).date()).parse()


def now_in_ticks() -> int:
    """Return the time of the clock, in ticks since the epoch."""
    return time.time_ns() // 100


def parse_range(name: str, zone: tzinfo = UTC) -> During | Last | Newest | Days:
    """Parse the *name* of a range; calendar times without an offset are those of *zone*.

    Raises:
        InvalidName: if it is no range, is ambiguous, or ends before it starts; the message says how it was understood.
    """
    for prefix, kind in (("", Last), ("last-", Last), ("newest-", Newest)):
        if name.startswith(prefix):
            duration = parse_duration(name.removeprefix(prefix))
            if duration is not None:
                return kind(duration)
    if "today" in name or "yesterday" in name:
        # The order of the ends may depend on the day.
        _Parser(name, zone, date(YEAR_MIN + 1, 1, 1)).parse(checks_order=False)
        return Days(name, zone)
    return _Parser(name, zone).parse()


def parse_date(name: str, zone: tzinfo = UTC) -> During | Days:
    """Parse the *name* of a date: a day, or any other calendar time; without an offset, it is of *zone*.

    Raises:
        InvalidName: if it is none.
    """
    if name in _DAYS_AGO:
        return Days(name, zone)
    return _Parser(name, zone).parse_date()


class _Parser:
    """A parser of the *name* of a range with ends, as of the day *today* in *zone*."""

    def __init__(self, name: str, zone: tzinfo, today: date | None = None) -> None:
        self._name = name
        self._zone = zone
        self._today = today

    def parse(self, checks_order: bool = True) -> During:
        """Return the range; with *checks_order*, refuse one that ends before it starts."""
        name = self._name
        found = None
        if "~" in name:
            found = self._around(*name.split("~", 1))
        elif ".." in name:
            found = self._between(*name.split("..", 1))
        else:
            found = self._alone() or self._split_at_a_dash()
        if checks_order and found.start > found.end:
            raise self._refusal(
                f"understood as from {_shown(found.start)} to {_shown(found.end)}, which ends before it starts"
            )
        return found

    def parse_date(self) -> During:
        """Return the range of one calendar time."""
        found = self._calendar(self._name, 0)
        if found is None:
            raise InvalidName(
                f"not a date: {self._name!r}: give a calendar time like 2026-11-23, 2026-11, or 2026-11-23T10",
                self._name,
                0,
            )
        return found.range

    def _around(self, middle: str, margin: str) -> During:
        duration = parse_duration(margin)
        if duration is None:
            raise self._refusal(f"{margin!r} is no duration", len(self._name) - len(margin))
        around = self._time(middle, 0)
        return During(max(around.start - duration, 0), min(around.end + duration, TICKS_MAX))

    def _between(self, start: str, end: str) -> During:
        return During(
            self._time(start, 0).start if start else 0,
            self._time(end, len(self._name) - len(end)).end if end else TICKS_MAX,
        )

    def _alone(self) -> During | None:
        """Return the range of a name that is one calendar time; None for any other."""
        name = self._name
        found = self._calendar(name, 0)
        sign = name.rfind("-")
        if found is not None and found.has_negative_offset:
            # Without its sign, the offset would be a time of day.
            head, tail = name[:sign], name[sign + 1 :]
            raise self._refusal(
                f"{'-' + tail!r} may be an offset from UTC or a second end: write {name}..{name} for the first, "
                f"and {head}..{head.partition('T')[0]}T{tail} for the second",
                sign,
            )
        if found is not None:
            return found.range
        if _NUMBER.fullmatch(name):
            point = self._time(name, 0).start
            raise self._refusal(
                f"understood as the one moment {_shown(point)}: write {name}~30s for the time around it, or {name}.. from then on"
            )
        return None

    def _split_at_a_dash(self) -> During:
        refusals = []
        for start, end in _splits(self._name):
            try:
                return self._between(start, end)
            except InvalidName as refusal:
                refusals.append(refusal)
        # With one dash, the intended ends are clear.
        if len(refusals) == 1:
            raise refusals[0]
        raise self._refusal("it is no time, nor two times with a dash between them")

    def _time(self, text: str, position: int) -> During:
        """Return the ticks of the time that *text*, at *position* in the name, is."""
        found = self._calendar(text, position)
        if found is not None:
            return found.range
        number = _NUMBER.fullmatch(text)
        if number is None:
            raise self._refusal(f"{text!r} is no time", position)
        return self._point(position, *number.groups(""))

    def _point(self, position: int, at: str, digits: str, decimals: str) -> During:
        """Return the tick of a number.

        Args:
            position: where in the name it begins.
            at: "@" for epoch seconds; empty if the number of its digits says its unit.
            digits: those before the point.
            decimals: those after it.
        """
        shift = 0 if at else _DECIMALS_BY_DIGITS.get(len(digits))
        if shift is None:
            meaning = {4: f"a year from {YEAR_MIN} to {_YEAR_MAX}", 8: "a date"}.get(len(digits))
            raise self._refusal(
                f"{digits!r} has {len(digits)} digits: that is {meaning or 'no time'}"
                f"; @{digits} would be epoch seconds",
                position,
            )
        whole = digits[: len(digits) - shift]
        ticks = int(
            whole + (digits[len(whole) :] + decimals).ljust(_TICK_DIGITS, "0")[:_TICK_DIGITS]
        )
        return self._checked(ticks, ticks, position)

    def _calendar(self, text: str, position: int) -> "_Calendar | None":
        """Return the calendar time that *text*, at *position* in the name, is; None when it does not look like one."""
        days_ago = _DAYS_AGO.get(text)
        if days_ago is not None and self._today is not None:
            text = (self._today - timedelta(days=days_ago)).isoformat()
        found = _EXTENDED.fullmatch(text) or _BASIC.fullmatch(text)
        if found is None or (text.isdecimal() and len(text) == 4 and not _is_year(text)):
            return None
        *written, fraction, offset = found.groups()
        fields = [int(field) for field in written if field is not None]
        try:
            first, last = _seconds(fields, self._zone if offset is None else _offset(offset))
        except ValueError as error:
            raise self._refusal(f"{text!r} is no time: {error}", position) from error
        start = f"{fraction or ''}".ljust(_TICK_DIGITS, "0")[:_TICK_DIGITS]
        end = f"{fraction or ''}".ljust(_TICK_DIGITS, "9")[:_TICK_DIGITS]
        first, last = first * TICKS_PER_S + int(start), last * TICKS_PER_S + int(end)
        ticks = self._checked(first, last, position)
        return _Calendar(ticks, (offset or "").startswith("-"))

    def _checked(self, start: int, end: int, position: int) -> During:
        if end < 0 or start > TICKS_MAX:
            raise self._refusal("no event can be of a time before 1970, or after 31197", position)
        return During(max(start, 0), min(end, TICKS_MAX))

    def _refusal(self, reason: str, position: int | None = None) -> InvalidName:
        message = f"not a time range: {self._name!r}: {reason}; {_FORMS}"
        return InvalidName(message, self._name, position)


class _Calendar(NamedTuple):
    """A calendar time: its first and last tick as a *range*, and whether its offset is negative."""

    range: During
    has_negative_offset: bool


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before and after each dash of *name*."""
    for dash in re.finditer("-", name):
        yield name[: dash.start()], name[dash.end() :]


def parse_duration(text: str) -> int | None:
    """Return the ticks of a duration like ``15m``; None when *text* is none."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _SECONDS_BY_UNIT[found[2]] * TICKS_PER_S if found else None


def _is_year(digits: str) -> bool:
    return YEAR_MIN <= int(digits) <= _YEAR_MAX


def _offset(text: str) -> tzinfo:
    """Return the zone of an offset from UTC: Z, or a sign, hours, and possibly minutes."""
    digits = text.lstrip("Z+-").replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-size if text.startswith("-") else size)


def _seconds(fields: list[int], zone: tzinfo) -> tuple[int, int]:
    """Return the first and the last second of a calendar time, in seconds since the epoch.

    Args:
        fields: year, month, day, hour, minute, second, as far as they were written.
        zone: their time zone. A time that its clocks show twice includes both.

    Raises:
        ValueError: if one of the fields is out of its range.
    """
    first = fields + [0, 1, 1, 0, 0, 0][len(fields) :]
    last = fields + [0, 12, 0, 23, 59, 59][len(fields) :]
    if len(fields) < 3:
        last[2] = calendar.monthrange(*last[:2])[1]
    moments = (datetime(*first, tzinfo=zone), datetime(*last, tzinfo=zone, fold=1))  # type: ignore[misc,arg-type]
    start, end = [(moment - _EPOCH) // timedelta(seconds=1) for moment in moments]
    return start, end


def _shown(ticks: int) -> str:
    """Return *ticks* as a date and time in UTC, or in epoch seconds where the calendar ends."""
    seconds, rest = divmod(ticks, TICKS_PER_S)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"@{seconds}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:07d}Z"
