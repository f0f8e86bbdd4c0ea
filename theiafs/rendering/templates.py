"""Templates: masked lines made more general, where many of them differ only in a few words.

Only the lines as a set decide, never the order in which they came.
"""

import functools
import itertools
import re
from collections import Counter, defaultdict
from typing import NamedTuple, TypeVar

from theiafs.rendering.masking import STRING

__all__ = ["Found", "add", "generalise"]

MANY = 5
"""Number of values from which on a position is one of values, rather than of words that say different things."""

_WORDS_MAX = 40

WILD = b"<*>"
_NUMBER, _ID = b"<num>", b"<id>"

_WORD = re.compile(rb"[^ =]*[ =]+|[^ =]+")
_LETTERS = re.compile(rb"[A-Za-z\x80-\xff]")
_VALUE = re.compile(rb"[\w<\x80-\xff](?:.*[\w>\x80-\xff])?", re.S)
_PLACEHOLDER = re.compile(rb"<[a-z*1]+>")
# Ids of letters and few digits are not recognised alone: they are words around a number, or of letters only.
_VARIANT = re.compile(
    rb"(?<![A-Za-z])[A-Za-z]*+(?:%b[A-Za-z]*+)+|(?<![A-Za-z])[a-fA-F]{6,}+(?![A-Za-z])"
    % _PLACEHOLDER.pattern
)


class Found(NamedTuple):
    """Events that have one line or template.

    Attributes:
        events: how many.
        oldest: time of the oldest, in ticks.
        newest: time of the newest, in ticks.
        strings: the quoted strings of all of them, each None if it varies; None if even their number does.
    """

    events: int
    oldest: int
    newest: int
    strings: tuple[bytes | None, ...] | None


_CACHE_SIZE = 10_000

_Line = TypeVar("_Line")
_Words = tuple[bytes, ...]
_Lines = dict[_Words, Found]
_Strings = tuple[bytes | None, ...] | None


def generalise(lines: dict[bytes, Found]) -> dict[bytes, Found]:
    """Find the templates of masked *lines*."""
    groups: defaultdict[tuple[int, bytes, bytes], _Lines] = defaultdict(dict)
    for line, found in sorted(_unite_masks(lines).items()):
        words = _words_of(line)
        separators = b"".join([word[-1:] if word[-1:] in b" =" else b"-" for word in words])
        first = next((word for word in words if _is_word(word)), b"")
        groups[len(words), separators, first][words] = found
    templates: dict[bytes, Found] = {}
    for group in groups.values():
        for words, found in _merge_neighbours(_merge_alike(group)).items():
            add(templates, b"".join(words), found)
    filled: dict[bytes, Found] = {}
    for template, found in _unite_masks(templates).items():
        add(filled, _fill(template, found.strings), found)
    return filled


def add(lines: dict[_Line, Found], line: _Line, found: Found) -> None:
    """Add what was *found* of a *line* to what *lines* have of it."""
    known = lines.get(line)
    if known is not None:
        found = Found(
            known.events + found.events,
            min(known.oldest, found.oldest),
            max(known.newest, found.newest),
            _common(known.strings, found.strings),
        )
    lines[line] = found


def _common(one: _Strings, other: _Strings) -> _Strings:
    """Return the strings that *one* and the *other* have in common."""
    if one == other:
        return one
    if one is None or other is None or len(one) != len(other):
        return None
    return tuple([a if a == b else None for a, b in zip(one, other, strict=True)])


def _fill(template: bytes, strings: _Strings) -> bytes:
    """Put the *strings* that do not vary in their places in a *template*."""
    # Some places may be gone, as parts of words that can be any; then it is not known which are left.
    if strings is None or len(strings) != template.count(STRING):
        return template.replace(STRING, b"<str>")
    parts = template.split(STRING)
    texts = [b"<str>" if string is None else string for string in strings]
    return b"".join(itertools.chain(*zip(parts, [*texts, b""], strict=True)))


def _unite_masks(lines: dict[bytes, Found]) -> dict[bytes, Found]:
    """Make *lines* equal that differ only in which masks are in them."""
    alike: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for line in lines:
        alike[_VARIANT.sub(WILD, line)].append(line)
    united: dict[bytes, Found] = {}
    for members in alike.values():
        places = zip(*map(_VARIANT.findall, members), strict=True)
        replacements = [_united(frozenset(variants)) for variants in places]
        for line in members:
            following = iter(replacements)
            changed = _VARIANT.sub(lambda match: next(following).get(match[0], match[0]), line)  # noqa: B023
            add(united, changed, lines[line])
    return united


def _united(variants: frozenset[bytes]) -> dict[bytes, bytes]:
    """Return what takes the place of each of the *variants* of a place."""
    masks = {variant for variant in variants if _PLACEHOLDER.fullmatch(variant)}
    if _ID in masks and masks <= {_ID, _NUMBER}:
        return dict.fromkeys(variants, _ID)
    return dict.fromkeys(masks, WILD) if len(masks) > 1 else {}


def _words_of(line: bytes) -> _Words:
    """Divide *line* into words with the blanks after them; all beyond ``_WORDS_MAX`` are one."""
    words = _WORD.findall(line)
    return (
        (*words[:_WORDS_MAX], b"".join(words[_WORDS_MAX:]))
        if len(words) > _WORDS_MAX
        else tuple(words)
    )


def _merge_alike(lines: _Lines) -> _Lines:
    """Merge lines that share their frequent words, if those are at least half of all."""
    supports = Counter(itertools.chain.from_iterable(map(enumerate, lines)))
    merged: defaultdict[_Words, list[_Words]] = defaultdict(list)
    for words in lines:
        places = [place for place, word in enumerate(words) if _is_word(word)]
        rare = [place for place in places if supports[place, words[place]] < MANY]
        merged[_generalised(words, rare) if 2 * len(rare) <= len(places) else words].append(words)
    return _merged(lines, merged)


def _merge_neighbours(lines: _Lines) -> _Lines:
    """Merge lines that differ in one word only, place by place, as long as there are any."""
    before = 0
    while len(lines) != before:
        before = len(lines)
        for place in range(len(next(iter(lines), ()))):
            if len({words[place] for words in lines}) == 1:
                continue
            merged: defaultdict[_Words, list[_Words]] = defaultdict(list)
            for words in lines:
                is_value = _is_word(words[place])
                merged[_generalised(words, [place]) if is_value else words].append(words)
            lines = _merged(lines, merged)
    return lines


def _merged(lines: _Lines, merged: dict[_Words, list[_Words]]) -> _Lines:
    """Return *lines* with those *merged* that are many, or that are what a template has already."""
    found: _Lines = {}
    for template, members in merged.items():
        is_template = len(members) >= MANY or template in lines
        for words in members:
            add(found, template if is_template else words, lines[words])
    return found


def _generalised(words: _Words, places: list[int]) -> _Words:
    """Return *words* with values in *places* that can be any, but for the punctuation around them."""
    changed = list(words)
    for place in places:
        changed[place] = _as_any(words[place])
    return tuple(changed)


@functools.lru_cache(_CACHE_SIZE)
def _as_any(word: bytes) -> bytes:
    return _VALUE.sub(WILD, word, count=1)


@functools.lru_cache(_CACHE_SIZE)
def _is_word(word: bytes) -> bool:
    """Return whether *word* says more than the kind of a value."""
    return _LETTERS.search(_PLACEHOLDER.sub(b"", word)) is not None
