"""Literals of a pattern are in each text that it matches."""

import pytest
from hypothesis import given, settings

from store.matching.literals import exact_literals, is_literal, required_literals
from store.matching.tokens import tokenize
from tests.patterns import HOSTILE, compiles, contents, found, patterns


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("Disk FULL", [b"disk full"]),
        ("abc+", []),
        ("abcd+", [b"abc"]),
        ("abcd?efg", [b"abc", b"efg"]),
        ("abcd*", [b"abc"]),
        ("abcd{0,}", [b"abc"]),
        ("abcd{2}efg", [b"abc", b"efg"]),
        ("abcd{2efg", [b"abcd{2efg"]),
        ("abc.def", [b"abc", b"def"]),
        ("abc[d]efg", [b"abc", b"efg"]),
        ("^abc$", [b"abc"]),
        (r"\babc\b", [b"abc"]),
        ("abc(def)ghi", [b"abc", b"ghi"]),
        ("abc(d(e|f)g)?hij", [b"abc", b"hij"]),
        ("abc|def", []),
        ("abcdef|", []),
        ("(abc|def)ghi", [b"ghi"]),
        (r"\Qa.b*c\E", [b"a.b*c"]),
        (r"\Qa.b*c", [b"a.b*c"]),
        (r"\Qabcd\E*", [b"abc"]),
        (r"abcd\Q\E*", [b"abc"]),
        ("abcd(?i)*", [b"abc"]),
        (r"10\.0\.0\.1", [b"10.0.0.1"]),
        (r"\x2Fvar\x{2F}log\057x", [b"/var/log/x"]),
        (r"abc\d+def", [b"abc", b"def"]),
        (r"abc\pLdef", [b"abc", b"def"]),
        ("größe", ["größe".encode()]),
        ("(?i)größe", []),
        ("(?i)abcSdef", [b"abc", b"def"]),
        ("(?i)abkc*def", [b"def"]),
        ("x(?i:y)abckdef", [b"abc", b"def"]),
        ("(?P<i>x)kiosk", [b"kiosk"]),
        ("[[:alpha:]]abc]", [b"abc]"]),
        ("[]abc]def", [b"def"]),
        ("ab", []),
        ("", []),
    ],
)  # fmt: skip
def test_literals_of(pattern: str, literals: list[bytes]) -> None:
    """Outside of groups, alternatives, classes and repeats."""
    assert required_literals(pattern) == literals


def check(pattern: str, content: bytes) -> None:
    if not found(pattern, content):
        return
    for literal in required_literals(pattern):
        assert len(literal) >= 3
        assert literal == literal.lower()
        assert literal in content.lower()
    for literal in exact_literals(pattern):
        assert literal in content


@settings(max_examples=1000)
@given(patterns, contents)
def test_matches_contain_the_literals(pattern: str, content: bytes) -> None:
    check(pattern, content)


@settings(max_examples=300)
@given(patterns, patterns, contents)
def test_matches_of_longer_patterns_contain_the_literals(
    first: str, second: str, content: bytes
) -> None:
    """With literals on both sides, on a content that has them."""
    for middle in (first, f"({first})", f"{first}{second}"):
        pattern = f"abk{middle}bas"
        if compiles(pattern):
            for around in (
                b"abk" + content + b"bas",
                b"ABK" + content + b"BAS",
                "ab\u212a".encode() + content + "ba\u017f".encode(),
                b"ab" + content + b"as",
            ):
                check(pattern, around)


@pytest.mark.parametrize("pattern", HOSTILE)
def test_tokens_are_all_of_the_text(pattern: str) -> None:
    tokens = list(tokenize(pattern))
    assert "".join(token.text for token in tokens) == pattern
    assert [token.position for token in tokens] == [
        sum(len(each.text) for each in tokens[:number]) for number in range(len(tokens))
    ]


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [("abc", True), (r"a\.b\Qc*\E", True), ("(?i)abc", False), ("ab*", False), ("^a", False), ("(a)", False), ("[a]", False), ("a|b", False)],
)  # fmt: skip
def test_is_literal(pattern: str, literal: bool) -> None:
    """It matches one text only, and as it is."""
    assert is_literal(pattern) is literal
