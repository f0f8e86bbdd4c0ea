r"""The tokens of a regular expression in RE2's syntax.

They are for expressions that RE2 has compiled: what it refuses may be divided anyhow, but into all of its text.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Token", "tokenize"]

_SYNTAX = re.compile(
    r"""
      \\Q (?P<quoted> .*?) (?: \\E | \Z)
    | \\ (?:
          x \{ (?P<braced> [0-9A-Fa-f]+) \}
        | x (?P<hexadecimal> [0-9A-Fa-f]{2})
        | (?P<octal> [0-7]{1,3})
        | (?P<property> [pP] (?: \{ [^}]* \} | .))
        | (?P<escaped> .)
      )
    | (?P<class> \[ \^? \]? (?: \[: \^? [a-z]+ :\] | \\. | [^\\\]] )* \])
    | \( \? (?P<flags> [imsU-]*) (?: (?P<plain> \)) | :)
    | (?P<open> \( (?: \? P? < [^>]* >)?)
    | (?P<close> \))
    | (?P<or> \|)
    | (?P<repeat> (?: [*+?] | \{ [0-9]+ (?: , [0-9]*)? \} ) \??)
    | (?P<assertion> [\^$])
    | (?P<any> \.)
    | (?P<character> .)
    """,
    re.VERBOSE | re.DOTALL,
)
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ASSERTIONS = frozenset("AbBz")
_CODE_MAX, _SURROGATES = 0x10FFFF, range(0xD800, 0xE000)
_BASES = {"braced": 16, "hexadecimal": 16, "octal": 8}
_KINDS = {
    **dict.fromkeys(("quoted", "character"), "literal"),
    **dict.fromkeys(_BASES, "code"),
    **{each: each for each in ("escaped", "open", "close", "or", "repeat", "assertion")},
    # Flags for the rest of the group that they stand in, or for a group of their own.
    "plain": "flags",
    "flags": "open",
}


class Token(NamedTuple):
    r"""A part of a regular expression.

    Attributes:
        kind: "literal" (characters that match themselves), "assertion" (`^`, `$`, `\A`, `\z`, `\b`, `\B`), "repeat" (applies to the
            last character of a literal, or to another token), "open" and "close" (a group), "flags" (`(?i)`, matches
            nothing and is nothing that could be repeated), "or", or "other" (matches some character).
        position: where it starts in the text.
        text: the token as it is written.
        value: the characters of a literal; the flags of "flags", and of an "open" that sets some.
    """

    kind: str
    position: int
    text: str
    value: str = ""


def tokenize(pattern: str) -> Iterator[Token]:
    """Divide *pattern* into its tokens, which together are all of its text."""
    for found in _SYNTAX.finditer(pattern):
        kind, value = _KINDS.get(found.lastgroup or "", "other"), found[found.lastgroup or 0]
        if kind == "code":
            kind, value = _character_of(int(value, _BASES[found.lastgroup or ""]))
        elif kind == "escaped":
            kind, value = _escaped(value)
        elif kind in ("open", "flags"):
            value = found["flags"] or ""
        yield Token(kind, found.start(), found[0], value)


def _character_of(code: int) -> tuple[str, str]:
    """Return kind and value of the character with this *code*; without a value if there is none in UTF-8."""
    is_character = code <= _CODE_MAX and code not in _SURROGATES
    return ("literal", chr(code)) if is_character else ("other", "")


def _escaped(letter: str) -> tuple[str, str]:
    """Return kind and value of *letter* after a backslash."""
    if letter in _ASSERTIONS:
        return "assertion", ""
    if letter in _CONTROLS or not letter.isalnum():
        return "literal", _CONTROLS.get(letter, letter)
    return "other", ""
