"""Literals that a regular expression needs: what every text that it matches must contain."""

import functools
import re
from collections.abc import Collection, Iterable
from itertools import takewhile

from store.matching.texts import ANYTHING, NOTHING, Texts, either, joined, least, repeated
from store.matching.tokens import Token, tokenize

__all__ = ["Alternatives", "exact_literals", "is_literal", "required_literals"]

Alternatives = tuple[bytes, ...]
"""Literals of which a text contains one."""

_SIZE_MIN = 3
"""Shorter literals are in most texts."""

_FOLDED_BEYOND_ASCII = {"k": "\u212a", "s": "\u017f"}
"""ASCII letters that `(?i)` also finds as a character beyond ASCII: the Kelvin sign and the long s."""

_CLASS = re.compile(r"\[([^]\[\\^-][^]\[\\-]{0,7})\]", re.DOTALL)
"""A class of few characters, each of which stands for itself."""


def required_literals(pattern: str) -> tuple[Alternatives, ...]:
    """Return literals of three bytes and more that the lower-cased text of each match of *pattern* contains.

    Args:
        pattern: a regular expression that RE2 compiles.

    Returns:
        Alternatives, with ASCII letters in lower case: the text contains one of each.
    """
    needs = (least(map(bytes.lower, words)) for words in _texts_of(pattern).all_needs)
    found = (tuple(sorted(words)) for words in needs if min(map(len, words)) >= _SIZE_MIN)
    return tuple(dict.fromkeys(found))


def exact_literals(pattern: str) -> list[bytes]:
    """Return literals that each match of *pattern* contains as they are."""
    if _folds(tokenize(pattern)):
        return []
    found = []
    for words in _texts_of(pattern).all_needs:
        found.append(_common_beginning(words))
        found.append(_common_beginning({word[::-1] for word in words})[::-1])
    return [each for each in dict.fromkeys(found) if each]


def is_literal(pattern: str) -> bool:
    """Return whether *pattern* matches just one text."""
    return all(token.kind == "literal" for token in tokenize(pattern))


def _common_beginning(words: Collection[bytes]) -> bytes:
    """Return what all of *words* begin with."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(min(words), max(words), strict=False))
    return bytes(each for each, _ in same)


def _folds(tokens: Iterable[Token]) -> bool:
    """Return whether `(?i)` is anywhere in *tokens*."""
    return any("i" in token.value for token in tokens if token.kind in ("open", "flags"))


@functools.lru_cache(maxsize=64)
def _texts_of(pattern: str) -> Texts:
    """Return what is known of the texts that *pattern* matches; if it folds letters, these are in lower case."""
    tokens = list(tokenize(pattern))
    folds = _folds(tokens)
    groups = [_Group()]
    for token in tokens:
        match token.kind:
            case "literal":
                for character in token.value:
                    groups[-1].add(_character(character, folds))
            case "assertion":
                groups[-1].add(NOTHING)
            case "other":
                groups[-1].add(_one_of(token.text, folds))
            case "repeat":
                groups[-1].repeat(token.text)
            case "or":
                groups[-1].begin_branch()
            case "open":
                groups.append(_Group())
            case "close":
                group = groups.pop()
                groups[-1].add(group.texts)
    return groups[-1].texts


class _Group:
    """A group of an expression, up to where it has been read."""

    def __init__(self) -> None:
        self._branches: list[Texts] = []
        self._branch = NOTHING
        self._last = NOTHING  # what a repeat applies to

    @property
    def texts(self) -> Texts:
        """The texts that the group matches, as far as they are known."""
        return functools.reduce(either, [*self._branches, joined(self._branch, self._last)])

    def add(self, part: Texts) -> None:
        """Add *part* to the branch that is read."""
        self._branch, self._last = joined(self._branch, self._last), part

    def repeat(self, repeat: str) -> None:
        """Repeat the last part."""
        self._last = repeated(self._last, repeat)

    def begin_branch(self) -> None:
        """End the branch that is read, and begin the next one."""
        self._branches = [self.texts]
        self._branch = self._last = NOTHING


def _character(character: str, folds: bool) -> Texts:
    """Return what is known of texts that are *character*, or it in another case if that *folds*."""
    if not folds:
        return Texts(frozenset({character.encode()}))
    if not character.isascii():
        return ANYTHING
    lower = character.lower()
    other = _FOLDED_BEYOND_ASCII.get(lower, lower)
    return Texts(frozenset({lower.encode(), other.encode()}))


def _one_of(text: str, folds: bool) -> Texts:
    """Return what is known of the texts that a class, or something like `.`, matches."""
    found = _CLASS.fullmatch(text)
    if found is None:
        return ANYTHING
    return functools.reduce(either, (_character(each, folds) for each in found[1]))
