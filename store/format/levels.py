r"""Levels: how severe an event is, found out from its tags and its content.

The levels are syslog's and one more, ``trace``. The first of these that says a level counts:

1. *A tag* ``level=…``, the value spelled as in a field.
2. *A field* of the content:

   - ``<N>`` at its start, N from 0 to 191, as in syslog's protocol and the kernel's log: N modulo 8.
   - A member of the JSON object that the content begins with, at the top or within ``log``: ``level``, ``severity``, and what
     else loggers call it, in the order of the text. Its value is a spelling in any case, one of the letters that some write
     (``E``), with slog's offset (``WARN+1``), or a number: 0 to 7 are syslog's, 10, 20, … 60 those of pino and bunyan,
     of ``severityNumber`` OpenTelemetry's. What follows the member may be cut off.
   - ``level=…``, ``lvl=…``, ``severity=…``, ``loglevel=…`` at the start of a word that begins in the first 128 bytes, quoted or
     not, spelled as in JSON but not a number: ``level=3`` is said of more things than events.

3. *The first word* that is a level written as such and begins in the first 128 bytes: in upper case (``WARN``), or in
   lower case or capitalised with a colon after it (``error:``, but not ``error::``) or in brackets (``[error]``, ``[info     ]``,
   ``<warn>``, Apache's ``[core:error]``).

A word is not part of a longer one, of a number, a path, an option or an assignment: ``NON-FATAL``, ``Level.INFO``, ``ERROR_CODE``,
``/INFO/``, ``status=ERROR`` say nothing, ``INFO/MainProcess`` does. Plain text in lower case says nothing either: "no error".

``fatal`` is ``crit``, as in Python's logging and in what most loggers send to syslog: it ends a program or a session, not
a system. ``panic`` is ``emerg``, as in ``syslog.conf``.
"""

import json
import re

__all__ = [
    "EXAMINED_SIZE",
    "HEAD_SIZE",
    "LEVELS",
    "LEVEL_RULES_VERSION",
    "SPELLINGS",
    "level_in_content",
    "level_in_tags",
    "level_of",
    "parse_level",
]

LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "trace")
"""The names of the levels, the most severe first; the code of each is its place, from 1 on, and 0 means none."""

LEVEL_RULES_VERSION = 2
"""Raise it when the level of an event may become another: levels that were kept are found out again."""

_EMERG, _ALERT, _CRIT, _ERR, _WARNING, _NOTICE, _INFO, _DEBUG, _TRACE = range(1, len(LEVELS) + 1)

SPELLINGS = {
    "emerg": _EMERG, "emergency": _EMERG, "panic": _EMERG, "pnc": _EMERG,
    "alert": _ALERT,
    "crit": _CRIT, "critical": _CRIT, "fatal": _CRIT, "ftl": _CRIT,
    "err": _ERR, "error": _ERR, "severe": _ERR, "fail": _ERR,
    "warning": _WARNING, "warn": _WARNING, "wrn": _WARNING,
    "notice": _NOTICE,
    "info": _INFO, "inf": _INFO, "information": _INFO, "informational": _INFO,
    "debug": _DEBUG, "dbg": _DEBUG, "dbug": _DEBUG, "fine": _DEBUG,
    "trace": _TRACE, "trc": _TRACE, "trce": _TRACE, "verbose": _TRACE, "vrb": _TRACE, "finer": _TRACE, "finest": _TRACE,
}  # fmt: skip
"""The codes of the words that mean a level wherever they stand, in lower case."""

_IN_FIELDS = {
    **SPELLINGS,
    "dpanic": _EMERG, "config": _INFO, "note": _INFO, "log": _INFO, "success": _INFO,
    "f": _CRIT, "c": _CRIT, "e": _ERR, "w": _WARNING, "n": _NOTICE, "i": _INFO, "d": _DEBUG, "t": _TRACE, "v": _TRACE,
    **{f"d{number}": _DEBUG for number in range(1, 6)},
}  # fmt: skip
"""The codes of the words that mean one where a field is said to be the level."""

_IN_NUMBERS = {
    **{str(number): number + 1 for number in range(8)},
    "10": _TRACE, "20": _DEBUG, "30": _INFO, "40": _WARNING, "50": _ERR, "60": _CRIT,
}  # fmt: skip
_IN_OPENTELEMETRY = (_TRACE, _DEBUG, _INFO, _WARNING, _ERR, _CRIT)
"""Codes of the severity numbers from 1 on, each of four."""

HEAD_SIZE = 128
"""Where a word or a field may begin, in bytes from the start of a content."""

EXAMINED_SIZE = 160
"""Bytes of a content that may have to be examined for that: the last word may be longer, with blanks and a bracket after it."""

_OFFSET = re.compile(r"(?<=[a-z])[+-]\d+$")
_PRIORITY = re.compile(rb"<(\d{1,3})>")
_JSON_KEYS = frozenset([
    "level", "severity", "lvl", "log.level", "loglevel", "log_level", "levelname", "level_name", "@l", "@level", "priority", "severitytext",
    "severity_text", "error_severity",
])  # fmt: skip
"""How loggers call it, in lower case."""

_ANY_JSON_KEY = re.compile(
    rb'(?i)"(?:%b|severitynumber|s)"' % b"|".join(re.escape(key.encode()) for key in _JSON_KEYS)
)
_COMMON_KEYS = (
    rb"[Ll]evel|[Ss]everity|lvl|log\.level|loglevel|log_level|levelname|level_name|@l(?:evel)?|PRIORITY|priority|severity[T_]?[Tt]ext|"
    rb"error_severity"
)
# Members before it that are no objects and no lists are skipped without a parser: for most lines this is all.
_STRING = rb'"[^"\\]*+(?:\\.?+[^"\\]*+)*+"'
_JSON_LEVEL = re.compile(
    rb"""(?sx) \{\s*+
    (?: (?! "(?: %(keys)b | severityNumber )" ) %(string)b \s*+:\s*+
        (?: %(string)b | [^"{}\[\],\s]++ ) \s*+,\s*+ )*
    "(?: %(keys)b )" \s*+:\s*+ (?: "([^"\\]*+)" | (\d{1,3})(?=[\s,}]) )"""
    % {b"keys": _COMMON_KEYS, b"string": _STRING}
)
# The two patterns below begin with a set of bytes, before what they look back at: so most bytes are skipped fast.
_FIELD = re.compile(
    rb"""(?x) [LlSs](?<! [^\s,;|(\[{].)
    (?: (?<=[Ll])evel | (?<=l)vl | (?<=l)og[._]?level | (?<=[Ss])everity )=
    "?([A-Za-z]+(?:[+-]\d+)?)(?![\w\x80-\xff])"""
)


def _rests(letter: str) -> bytes:
    """Return a pattern of what follows *letter* in the spellings that begin with it, in lower or upper case."""
    rests = [name[1:] for name in SPELLINGS if name[0] == letter]
    return "|".join([*rests, *map(str.upper, rests)]).encode()


_INITIALS = sorted({name[0] for name in SPELLINGS})
_WORD = re.compile(
    b"[%b](?<![%b].)(?:%b)(?![%b])"
    % (
        "".join([*_INITIALS, *map(str.upper, _INITIALS)]).encode(),
        rb"\w./=\x80-\xff-",
        b"|".join(
            b"(?<=[%b%b])(?:%b)" % (each.encode(), each.upper().encode(), _rests(each))
            for each in _INITIALS
        ),
        rb"\w.=\x80-\xff-",
    ),
    re.DOTALL,
)
_BEFORE_PADDING = re.compile(rb"\[ {0,8}\Z")
_AFTER_PADDING = re.compile(rb" {0,8}\]")


def parse_level(word: str) -> int | None:
    """Return the code of the level that *word* means, spelled in any case; None if it means none."""
    return SPELLINGS.get(word.lower())


def level_of(tags: bytes, content: bytes) -> int:
    """Find out the level of one event.

    Args:
        tags: its tags, joined by commas.
        content: its content.

    Returns:
        The code of the level, 0 if nothing says it.
    """
    return level_in_tags(tags) or level_in_content(content)


def level_in_tags(tags: bytes) -> int:
    """Return the code of the level that *tags*, joined by commas, say; 0 if they say none."""
    for tag in tags.split(b",") if b"level=" in tags else ():
        name, _, value = tag.partition(b"=")
        code = _level_of_value(value.decode(errors="replace")) if name == b"level" else 0
        if code:
            return code
    return 0


def level_in_content(content: bytes) -> int:
    """Return the code of the level that *content* says; 0 if it says none."""
    code = 0
    if content.startswith(b"<"):
        code = _level_of_priority(content)
    elif content.startswith(b"{"):
        code = _level_in_json(content)
    return code or _level_in_fields(content) or _level_in_words(content)


def _level_of_priority(content: bytes) -> int:
    found = _PRIORITY.match(content)
    return int(found[1]) % 8 + 1 if found and int(found[1]) < 24 * 8 else 0


def _level_in_json(content: bytes) -> int:
    found = _JSON_LEVEL.match(content)
    if found is not None:
        value = found[1] if found[2] is None else found[2]
        code = _level_of_value(value.decode(errors="replace"))
        if code:
            return code
    elif not _ANY_JSON_KEY.search(content):
        return 0
    try:
        members = json.loads(content.decode(errors="replace"))
    except (ValueError, RecursionError):
        return 0
    return _level_in_members(members) or _level_of_mongodb(members)


def _level_in_members(members: dict[str, object]) -> int:
    for key, value in members.items():
        name, code = key.lower(), 0
        if name in _JSON_KEYS:
            code = _level_of_value(value)
        elif name == "severitynumber" and isinstance(value, int) and 0 < value <= 24:
            code = _IN_OPENTELEMETRY[(value - 1) // 4]
        elif name == "log" and isinstance(value, dict):
            code = _level_of_value(value.get("level"))
        if code:
            return code
    return 0


def _level_of_mongodb(members: dict[str, object]) -> int:
    letters = members.get("s")
    return _level_of_value(letters) if isinstance(letters, str) and len(letters) <= 2 else 0


def _level_of_value(value: object) -> int:
    """Return the code of the level that the *value* of a field says; 0 if it says none."""
    word = value.lower() if isinstance(value, str) else str(value)
    code = (_IN_FIELDS if isinstance(value, str) else _IN_NUMBERS).get(word)
    if code is None and isinstance(value, str):
        word = _OFFSET.sub("", word.strip())
        code = _IN_FIELDS.get(word) or _IN_NUMBERS.get(word)
    return code or 0


def _level_in_fields(content: bytes) -> int:
    for found in _FIELD.finditer(content, 0, EXAMINED_SIZE):
        code = _level_of_value(found[1].decode())
        if code and found.start() < HEAD_SIZE:
            return code
    return 0


def _level_in_words(content: bytes) -> int:
    for found in _WORD.finditer(content, 0, EXAMINED_SIZE):
        if found.start() >= HEAD_SIZE:
            break
        word = found[0]
        if word.isupper() or (word[1:].islower() and _is_marked(content, *found.span())):
            return SPELLINGS[word.decode().lower()]
    return 0


def _is_marked(content: bytes, start: int, end: int) -> bool:
    """Return whether a colon follows the word from *start* to *end* of *content*, or it is in brackets."""
    before, after = content[max(0, start - 2) : start], content[end : end + 2]
    if after[:1] == b":":
        return after != b"::" and before[-1:] != b":"
    if after[:1] == b">":
        return before[-1:] == b"<"
    if before[-1:] == b":" and after[:1] == b"]":
        return before[:1].isalnum()
    is_open = _BEFORE_PADDING.search(content, max(0, start - 9), start) is not None
    return is_open and _AFTER_PADDING.match(content, end) is not None
