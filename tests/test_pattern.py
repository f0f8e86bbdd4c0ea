"""A pattern finds in many contents at once what it finds in each of them alone."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from store.errors import InvalidPattern
from store.matching import pattern as pattern_module
from store.matching.pattern import Pattern
from tests.patterns import HOSTILE, compiles, contents, found, lines, patterns

CORPUS = [b"", b"a", b"ab\n", b"", b"b\na", b"\n", b"xxxxxxxx", b"A k \xff b", b"one two after", b"a\r", b"abab", b"z", b"a.b k", b"\n\n", b"", b"abc", b"abc", b"abc",
          b"xyz", "é\u212a".encode(), b"aba", b"one a\n"]  # fmt: skip


def search(pattern: Pattern, each: list[bytes], headers: list[bytes]) -> list[bool]:
    """Search contents that have these *headers* before, between and after them, in turn."""
    data, starts = b"", []
    between = itertools.cycle(headers)
    for content in each:
        data += next(between)
        starts.append(len(data))
        data += content
    sizes = np.array([len(content) for content in each], np.int64)
    columns = np.array(starts, np.int64)
    return list(pattern.search(data + next(between), columns, columns + sizes))


@pytest.mark.parametrize("text", [each for each in HOSTILE if compiles(each)])
def test_hostile_patterns_match_as_alone(text: str) -> None:
    """On contents with and without newlines, and on those of one line only."""
    pattern = Pattern(text)
    for each in (CORPUS, [content for content in CORPUS if b"\n" not in content], CORPUS[:1], []):
        assert search(pattern, each, [b"\n\n"]) == [found(text, content) for content in each]


@settings(max_examples=600)
@given(patterns, st.lists(contents, max_size=8), st.lists(lines.filter(bool), min_size=1))
@example("aba", [b"ba", b"aba", b"a", b""], [b"ab"])
@example("aa", [b"a", b"aa", b"aaa"], [b"a"])
@example("a", [b"\na"], [b"\n"])
def test_contents_match_as_alone(text: str, each: list[bytes], headers: list[bytes]) -> None:
    """Whatever lies between them: a match lies within one content, and headers never count."""
    assert search(Pattern(text), each, headers) == [found(text, content) for content in each]


@settings(max_examples=200)
@given(patterns, st.lists(lines, max_size=30), st.integers(1, 40))
def test_batches_match_as_one(text: str, each: list[bytes], size: int) -> None:
    """However many contents one batch has, and however many neighbours match."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pattern_module, "_BATCH_SIZE", size)
        assert search(Pattern(text), each, [b"\n"]) == [found(text, content) for content in each]


@given(st.binary(max_size=20), st.lists(st.binary(max_size=40)))
def test_literals_are_found_in_any_bytes(literal: bytes, each: list[bytes]) -> None:
    """Valid UTF-8 or not."""
    text = rf"\Q{literal.decode('latin-1')}\E".replace(r"\E\E", r"\E")
    if compiles(text):
        assert search(Pattern(text), each, [b" "]) == [found(text, content) for content in each]


@settings(max_examples=200)
@given(st.text(max_size=12))
def test_any_text_is_a_pattern_or_invalid(text: str) -> None:
    """And nothing else is raised."""
    if compiles(text):
        assert search(Pattern(text), CORPUS, [b"\n"]) == [found(text, each) for each in CORPUS]
        return
    with pytest.raises(InvalidPattern) as raised:
        Pattern(text)
    position = raised.value.position
    assert position is None or 0 <= position <= len(text)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a(b", 1),
        ("(a)(b(c)", 3),
        ("a)b", 1),
        ("a)(b", 1),
        (r"[(]\(\Q(\E)", 10),
        ("ab[b-a]", 3),
        ("a**", 1),
        ("*a", 0),
        (r"ab\8", 2),
        ("a[b", 1),
        ("a(?z)", 1),
        ("x{1001}", 1),
        ("ab\\", 2),
        ("a\udcffb", 1),
        (r"\8|\8", None),
        (r"(\pL{100}){10}", None),
    ],
)
def test_errors_have_the_position(text: str, position: int | None) -> None:
    """For a caret below the faulty part; None where several parts look like it, or all of it is too much."""
    with pytest.raises(InvalidPattern) as raised:
        Pattern(text)
    assert raised.value.position == position


def test_memory_of_a_pattern_is_bounded() -> None:
    """A pattern that needs more is invalid."""
    with pytest.raises(InvalidPattern, match="too large"):
        Pattern(r"(((\pL{9}){9}){9})")


@pytest.mark.parametrize(
    "text", [*filter(compiles, HOSTILE), "ERROR", "(?i)error", "level=[a-z]+ .*k"]
)
def test_cost_is_linear(text: str) -> None:
    """Twice the contents are twice the bytes searched, and those are at most thrice what there is."""
    for content in (b"a" * 40, b"aab k" * 8, b"", b"ERROR\nk", b"a b\n"):
        searched = []
        for count in (100, 200):
            pattern = Pattern(text)
            search(pattern, [content, b"abc x"] * count, [b"\n"])
            searched.append(pattern.bytes_searched)
        # The newline after the last content may be missing.
        assert searched[1] <= 2 * searched[0] + 2
        assert searched[1] <= 3 * 200 * (len(content) + 1 + len(b"abc x\n"))


@pytest.mark.parametrize(
    "text",
    [
        "a[^z]*k",
        "[^z]*k",
        r"a\s+k",
        "(?s)a.*k",
        r"a[\s\S]*k",
        "a\\nk",
        r"a\W*k",
        r"(?-m)a[^z]*$",
        r"\A[^z]*k",
        r"a\PLk",
    ],
)
def test_scans_of_lines_never_leave_a_line(text: str) -> None:
    """A match that went on in the next line would be searched for from each line to the end: the square."""
    anywhere = pattern_module._ANYWHERE
    together = Pattern(text)._line
    assert together is not None
    text_of_lines = b"a\n" * 3 + b"\n" * 3 + b"k\n"
    for start in range(0, 6, 2):
        ((first, last),) = together.Match(anywhere, text_of_lines, start, len(text_of_lines) - 1)
        assert b"\n" not in text_of_lines[first:last]
