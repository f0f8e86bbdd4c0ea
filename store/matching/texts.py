"""The texts that a part of a regular expression matches, as far as they are known, and those of parts that stand together.

Of each part it is known which few texts it matches, or with what they begin and end; where two parts meet, what the first
may end with and what the second may begin with stand side by side. The idea, for trigrams, is Russ Cox's: "Regular
Expression Matching with a Trigram Index" (2012). Words stay whole here, and what is repeated ends as one of it or two do,
so that `(x+x+)+y` is known to need `xxy`.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["ANYTHING", "NOTHING", "Texts", "either", "joined", "least", "repeated"]

Words = frozenset[bytes]

_SIZE_MIN = 2
"""A single byte is in most texts."""

_SIZE_MAX = 256
_WORDS_MAX = 32
"""Longer words and more of them are not followed: they are cut, or forgotten. That bounds the time for any expression."""

_NEEDS_MAX = 16
"""Needs of a part that are kept: those with the longest words."""

_PAIRED_NEEDS_MAX = 4
"""Needs of each of two branches that are kept together."""

_OPTIONAL = re.compile(r"[?*]|\{0*[,}]")
_NO_WORDS: Words = frozenset()
_EMPTY: Words = frozenset({b""})


class Texts(NamedTuple):
    """Knowledge of the texts that a part of an expression matches.

    Attributes:
        whole: those that are known as they are.
        firsts: each of the others begins with one of these; empty if there are no others.
        lasts: and it ends with one of these.
        needs: every text contains one word of each of these.
    """

    whole: Words
    firsts: Words = _NO_WORDS
    lasts: Words = _NO_WORDS
    needs: tuple[Words, ...] = ()

    @property
    def beginnings(self) -> Words:
        """Words of which each text begins with one."""
        return self.whole | self.firsts

    @property
    def ends(self) -> Words:
        """Words of which each text ends with one."""
        return self.whole | self.lasts

    @property
    def all_needs(self) -> tuple[Words, ...]:
        """All sets of words that are known of which each text contains one."""
        return _telling((*self.needs, self.beginnings, self.ends))


NOTHING = Texts(_EMPTY)
"""The empty text."""

ANYTHING = Texts(_NO_WORDS, _EMPTY, _EMPTY)
"""Texts of which nothing is known."""


def joined(first: Texts, second: Texts) -> Texts:
    """Return what is known of the texts that are one of *first* and then one of *second*."""
    needs = (*first.needs, *second.needs)
    if max(_count(first.whole, second.beginnings), _count(first.ends, second.whole)) > _WORDS_MAX:
        needs = (*needs, first.ends, second.beginnings)
        return _bounded(_NO_WORDS, first.beginnings, second.ends, needs)
    if first.firsts and second.firsts:
        if _count(first.ends, second.beginnings) <= _WORDS_MAX:
            needs = (*needs, _crossed(first.ends, second.beginnings))
        else:
            needs = (*needs, first.ends, second.beginnings)
    whole = _crossed(first.whole, second.whole)
    firsts = first.firsts | _crossed(first.whole, second.firsts)
    lasts = second.lasts | _crossed(first.lasts, second.whole)
    return _bounded(whole, firsts, lasts, needs)


def either(first: Texts, second: Texts) -> Texts:
    """Return what is known of the texts that are one of *first* or one of *second*."""
    needs = (
        one | other
        for one in first.all_needs[:_PAIRED_NEEDS_MAX]
        for other in second.all_needs[:_PAIRED_NEEDS_MAX]
    )
    whole, firsts, lasts = (
        first.whole | second.whole,
        first.firsts | second.firsts,
        first.lasts | second.lasts,
    )
    return _bounded(whole, firsts, lasts, needs)


def repeated(texts: Texts, repeat: str) -> Texts:
    """Return what is known of *texts* where *repeat* follows, such as `*`, `{2,3}` or `+?`."""
    if not repeat.startswith("?"):
        twice = joined(texts, texts)
        more = _bounded(_NO_WORDS, twice.beginnings, twice.ends, twice.needs)
        texts = either(texts, more)
    return either(texts, NOTHING) if _OPTIONAL.match(repeat) else texts


def least(
    words: Iterable[bytes], holds: Callable[[bytes, bytes], bool] = bytes.__contains__
) -> Words:
    """Return those of *words* that hold no other one of them: what holds a longer one holds a shorter one."""
    kept: list[bytes] = []
    for word in sorted(set(words), key=len):
        if not any(holds(word, each) for each in kept):
            kept.append(word)
    return frozenset(kept)


def _bounded(whole: Words, firsts: Words, lasts: Words, needs: Iterable[Words]) -> Texts:
    """Return these texts without words that are too long to follow, and without those of which there are too many."""
    long = {word for word in whole if len(word) > _SIZE_MAX}
    firsts = least((word[:_SIZE_MAX] for word in firsts | long), bytes.startswith)
    lasts = least((word[-_SIZE_MAX:] for word in lasts | long), bytes.endswith)
    whole -= long
    if max(len(whole), len(firsts), len(lasts)) > _WORDS_MAX:
        whole, firsts, lasts = ANYTHING[:3]
    return Texts(whole, firsts, lasts, _telling(needs))


def _telling(needs: Iterable[Words]) -> tuple[Words, ...]:
    """Return those of *needs* that say something that no other one does, those with the longest words first."""
    found = dict.fromkeys(least(words) for words in needs if len(words) <= 2 * _WORDS_MAX)
    telling = [
        words for words in found if words and len(words) <= _WORDS_MAX and _size(words) >= _SIZE_MIN
    ]
    kept: list[Words] = []
    for words in sorted(telling, key=lambda each: (-_size(each), len(each))):
        if not any(_implies(each, words) for each in kept):
            kept.append(words)
    return tuple(kept[:_NEEDS_MAX])


def _size(words: Words) -> int:
    """Return the size of the shortest of *words*."""
    return min(map(len, words))


def _implies(first: Words, second: Words) -> bool:
    """Return whether what contains one of *first* contains one of *second*."""
    return all(any(short in word for short in second) for word in first)


def _count(first: Words, second: Words) -> int:
    return len(first) * len(second)


def _crossed(first: Words, second: Words) -> Words:
    """Return each of *first*, followed by each of *second*."""
    return frozenset(one + other for one in first for other in second)
