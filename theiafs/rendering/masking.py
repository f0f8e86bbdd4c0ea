"""Masks: contents with numbers, times, addresses and ids replaced by what they are, and their quoted strings apart.

Many contents at once, one a line. First every run of digits becomes one ``0``, at the speed of copying memory; that makes
most lines of a log equal, so that regular expressions see few. The rest works on lines in which ``0`` is any number.
"""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["STRING", "Masked", "coarsen", "collapse", "mask"]

STRING = b"<1>"
"""The place of a quoted string in a masked line. No content is like it: its digits are all ``0``."""


class Masked(NamedTuple):
    """A masked line.

    Attributes:
        line: the line, with ``STRING`` in place of each quoted string.
        strings: the strings, masked, with their quotes.
    """

    line: bytes
    strings: tuple[bytes, ...]


_NEWLINE, _SPACE, _ZERO = b"\n 0"
_DIGITS_AND_BLANKS = bytes.maketrans(b"123456789\t", b"000000000 ")

_HEX = rb"[0a-fA-F]"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = rb"0:0:0(?:[.,]0)?"
_OFFSET = rb"(?: ?(?:Z|UTC|GMT|[+-]0(?::0)?)(?![\w-]))?"


def _after(byte: bytes, others: bytes) -> bytes:
    """Return an expression for *byte* where none of *others* comes before it; it begins with *byte*, which is fast to search for."""
    return byte + b"(?<![" + others + b"].)"


_INSIDE_ID = re.compile(rb"0(?:-0){0,4}-?[a-fA-F][a-fA-F-]*0(?:[a-fA-F-]+0)*")
"""A part of an id in hexadecimal digits, from its first to its last digit."""

# Possessive, and matched without its end as well: otherwise each quote of a line without pairs would search all of the rest.
_STRING = rb'"[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+'
_SINGLE_QUOTED = rb"'(?<![\w'].)[^'\n]*'(?!\w)"
_STRINGS = re.compile(rb"(%b)(?:(\")(?:( ?: ?)(%b\")?)?)?|%b" % (_STRING, _STRING, _SINGLE_QUOTED))
_STRINGS_IN_MESSAGES = re.compile(_SINGLE_QUOTED)
_MESSAGE_KEYS = (
    b"msg",
    b"message",
    b"event",
    b"error",
    b"err",
    b"level",
    b"lvl",
    b"severity",
    b"logger",
)
"""Keys whose values are words of the program; they are the point of its events."""
_QUOTED_KEYS = frozenset(b'"' + key for key in _MESSAGE_KEYS)
_KEYS_AND_SIGN = tuple(key + b"=" for key in _MESSAGE_KEYS)

_ID_START = _after(_HEX, rb"0A-Za-z")
_TIME_START = _after(b"0", rb"\w.-")
_VALUES = [
    (re.compile(expression), replacement)
    for expression, replacement in (
        (_ID_START + _HEX + rb"*(?:-" + _HEX + rb"+){4}(?![0A-Za-z])", b"<id>"),
        (_TIME_START + b"/" + _MONTH + rb"/0:" + _CLOCK + _OFFSET, b"<time>"),
        # Addresses of IPv6 and of network cards.
        (
            _after(rb"[0a-fA-F:]", rb"\w:.")
            + rb"(?:(?<=0)|(?=[a-fA-F:]*0))[0a-fA-F]*(?::[0a-fA-F]*){3,}(?<!:)(?![\w.])",
            b"<ip>",
        ),
        (
            _after(_HEX, rb"\w:.")
            + rb"(?:(?<=0)|(?=[a-fA-F:]*0))[0a-fA-F]*(?::[0a-fA-F]+)*::[0a-fA-F:]*(?![\w.])",
            b"<ip>",
        ),
        (_after(b"0", rb"\w.") + rb"\.0\.0\.0(?!\w|\.0)", b"<ip>"),
        (
            _TIME_START + rb"(?:-0-|/0/)0(?:[T ]" + _CLOCK + _OFFSET + rb")?(?![\w-]|\.\w)",
            b"<time>",
        ),
        (
            rb"[FMSTW](?<!\w.)(?:on|ue|ed|hu|ri|at|un),? (?:0 )?"
            + _MONTH
            + rb"(?: 0){1,2} "
            + _CLOCK
            + _OFFSET
            + rb"(?: 0(?![^\s\])]))?",
            b"<time>",
        ),
        (_TIME_START + b" " + _MONTH + b" 0 " + _CLOCK + _OFFSET, b"<time>"),
        (rb"[ADFJMNOS](?<!\w.)[a-z]{2}(?<=" + _MONTH + rb") 0 " + _CLOCK, b"<time>"),
        (_TIME_START + _CLOCK[1:] + _OFFSET + rb"(?![\w:-])", b"<time>"),
        # Words that change from letters to digits often.
        (_after(b"0", rb"0A-Za-z") + rb"x[0a-fA-F]+(?![0A-Za-z])", b"<id>"),
        (
            _ID_START
            + rb"(?:(?<=0)(?:[a-fA-F]+0)|(?<!0)[a-fA-F]*0[a-fA-F]+)[0a-fA-F]*(?![0A-Za-z])",
            b"<id>",
        ),
        (
            _after(rb"[0A-Za-z]", rb"0A-Za-z")
            + rb"(?:(?<=0)(?:[A-Za-z]+0){2}|(?<!0)[A-Za-z]*0(?:[A-Za-z]+0)+[A-Za-z])[0A-Za-z]*",
            b"<id>",
        ),
        (rb"-(?<![0A-Za-z>)\]].)0(?:[.,]0)*", b"<num>"),
        (rb"0(?:[.,]0)*", b"<num>"),
        # A list of values of one kind, as long as it may be.
        (rb"(<[a-z1]+>[^\s<]*)(?: [^\s<]*\1){3,}(?!\S)", rb"\1 ..."),
    )
]


def collapse(text: bytes) -> bytes:
    """Make lines of *text* equal that differ in digits and blanks only.

    Each run of digits becomes one ``0``; each run of blanks becomes one space, or none at the end of a line.
    """
    text = text.translate(_DIGITS_AND_BLANKS)
    codes = np.frombuffer(text, np.uint8)
    following = np.frombuffer(text[1:] + b"\n", np.uint8)
    are_spaces = codes == _SPACE
    dropped = (codes == following) & ((codes == _ZERO) | are_spaces)
    dropped |= are_spaces & (following == _NEWLINE)
    collapsed: bytes = codes[~dropped].tobytes()
    return collapsed


def mask(lines: Sequence[bytes]) -> list[Masked]:
    """Mask *lines*, which were collapsed; each as if it were alone."""
    # Ids make lines different that are equal otherwise: with most of each id gone there are few again.
    short = _INSIDE_ID.sub(b"0e0", b"\n".join(lines)).split(b"\n")
    distinct = list(dict.fromkeys(short))
    strings: list[bytes] = []
    text = _STRINGS.sub(lambda match: _without_string(match, strings), b"\n".join(distinct))
    without = text.split(b"\n")
    numbers = [line.count(STRING) for line in without]
    ends = itertools.accumulate(numbers)
    texts = list(dict.fromkeys(itertools.chain(without, strings)))
    masked = dict(zip(texts, _masked(b"\n".join(texts)).split(b"\n"), strict=True))
    strings = list(map(masked.__getitem__, strings))
    found = {
        line: Masked(masked[rest], tuple(strings[end - number : end]))
        for line, rest, number, end in zip(distinct, without, numbers, ends, strict=True)
    }
    return list(map(found.__getitem__, short))


def _masked(text: bytes) -> bytes:
    for pattern, replacement in _VALUES:
        text = pattern.sub(replacement, text)
    return text


def _without_string(match: re.Match[bytes], strings: list[bytes]) -> bytes:
    """Move a quoted string, or the value after it if it is a key of JSON, to *strings*; those that are messages stay."""
    string, end, colon, value = match.groups()
    if string is None:
        return _moved(match[0], strings)
    if end is None or (colon and value is None):
        return match[0]
    if string in _QUOTED_KEYS if colon else match.string.endswith(_KEYS_AND_SIGN, 0, match.start()):
        return _STRINGS_IN_MESSAGES.sub(lambda inner: _moved(inner[0], strings), match[0])
    if colon:
        return b'%b"%b%b' % (string, colon, _moved(value, strings))
    return _moved(match[0], strings)


def _moved(string: bytes, strings: list[bytes]) -> bytes:
    strings.append(string)
    return STRING


_PLAIN_WORD = re.compile(rb"[(\[\"']?(?:[A-Za-z]+|<[a-z*1]+>)[)\]\"']?[.,:;!?]?")
_WORDS_KEPT = (8, 4, 2, 1, 0)
COARSEST = 1 + len(_WORDS_KEPT)
"""The level of coarseness at which all lines are equal."""


def coarsen(line: bytes, level: int) -> bytes:
    """Make a masked *line* coarser: at *level* 1 words that are not plain become ``<*>``, then all but ever fewer first ones do."""
    words = [word if _PLAIN_WORD.fullmatch(word) else b"<*>" for word in line.split(b" ")]
    if level > 1:
        kept = _WORDS_KEPT[level - 2]
        if len(words) > kept:
            words = [*words[:kept], b"<*>"]
    return b" ".join(words)
