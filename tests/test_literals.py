"""Literals of a pattern are in each text that it matches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.matching import texts
from store.matching.literals import exact_literals, is_literal, required_literals
from store.matching.tokens import tokenize
from tests.patterns import HOSTILE, compiles, contents, found, patterns

FAILED_OR_FAILURE = [{"failed", "failure"}]


@pytest.mark.parametrize(
    ("pattern", "needs"),
    [
        ("Disk FULL", [{"disk full"}]),
        ("abc+", [{"abc"}]),
        ("abcd?efg", [{"abcdefg", "abcefg"}]),
        ("abcd*", [{"abc"}]),
        ("abcd{0,}", [{"abc"}]),
        ("abcd{00,2}", [{"abc"}]),
        ("abcd{2}efg", [{"abcdd", "abcdefg"}, {"abcdefg", "ddefg"}]),
        ("abcd{2efg", [{"abcd{2efg"}]),
        ("abc.def", [{"abc"}, {"def"}]),
        ("abc[d]efg", [{"abcdefg"}]),
        ("[Ee]rror", [{"error"}]),
        ("a[b^$]c", [{"abc", "a^c", "a$c"}]),
        ("abc[^d]efg", [{"abc"}, {"efg"}]),
        ("abc[d-f]efg", [{"abc"}, {"efg"}]),
        (r"abc[\d]efg", [{"abc"}, {"efg"}]),
        ("^abc$", [{"abc"}]),
        (r"\babc\b", [{"abc"}]),
        ("abc(def)ghi", [{"abcdefghi"}]),
        ("abc(d(e|f)g)?hij", [{"abcdeghij", "abcdfghij", "abchij"}]),
        ("abc|def", [{"abc", "def"}]),
        ("abcdef|", []),
        ("abc|.", []),
        ("(abc|def)ghi", [{"abcghi", "defghi"}]),
        ("abcd.*efgh|xyz", [{"abcd", "xyz"}, {"efgh", "xyz"}]),
        (".*abc.*|.def.", [{"abc", "def"}]),
        ("(failed|fail)(ed|ure)", FAILED_OR_FAILURE),
        ("fail(ed|ure)|failed", FAILED_OR_FAILURE),
        ("conn(ection)? (refused|reset)", [{"conn refused", "conn reset", "connection refused", "connection reset"}]),
        ("(x+x+)+y", [{"xxy"}]),
        ("(ab)+c", [{"abc"}]),
        ("((((a+)+)+)+)+bc", [{"abc"}]),
        ("(ab.)+", []),
        ("(abc.)+def", [{"abc"}, {"def"}]),
        ("(abc|x)*def", [{"def"}]),
        (r"\Qa.b*c\E", [{"a.b*c"}]),
        (r"\Qa.b*c", [{"a.b*c"}]),
        (r"\Qabcd\E*", [{"abc"}]),
        (r"abcd\Q\E*", [{"abc"}]),
        ("abcd(?i)*", [{"abc"}]),
        (r"10\.0\.0\.1", [{"10.0.0.1"}]),
        (r"\x2Fvar\x{2F}log\057x", [{"/var/log/x"}]),
        (r"abc\d+def", [{"abc"}, {"def"}]),
        (r"abc\pLdef", [{"abc"}, {"def"}]),
        ("größe", [{"größe"}]),
        ("(?i)größe", []),
        ("(?i)aböabc", [{"abc"}]),
        ("(?i)abcSdef", [{"abcsdef", "abc\u017fdef"}]),
        ("(?i)[kx]bc", [{"kbc", "\u212abc", "xbc"}]),
        ("x(?i:y)abckdef", [{"xyabckdef", "xyabc\u212adef"}]),
        ("(?P<i>x)kiosk", [{"xkiosk"}]),
        ("[[:alpha:]]abc]", [{"abc]"}]),
        ("[]abc]def", [{"def"}]),
        ("ab", []),
        ("", []),
        # More than can be followed is still known where it begins and ends.
        ("abc[0123][0123][0123]def", [{f"abc{a}{b}" for a in "0123" for b in "0123"}, {f"{a}def" for a in "0123"}]),
        ("a" * 300, [{"a" * 256}]),
    ],
)  # fmt: skip
def test_literals_of(pattern: str, needs: list[set[str]]) -> None:
    """Those of all branches, and of what stands side by side in every match."""
    found = {frozenset(alternatives) for alternatives in required_literals(pattern)}
    assert found == {frozenset(map(str.encode, alternatives)) for alternatives in needs}


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("Disk FULL", {b"Disk FULL"}),
        ("ab(c|d)", {b"ab"}),
        ("(refused|closed)!", {b"sed!"}),
        ("(x+x+)+y", {b"xxy"}),
        ("(?i)disk", set()),
        ("abc|def", set()),
        ("ab.cd", {b"ab", b"cd"}),
    ],
)
def test_exact_literals_of(pattern: str, literals: set[bytes]) -> None:
    """All alternatives begin or end with it, so that it is in each match."""
    assert set(exact_literals(pattern)) == literals


@pytest.mark.parametrize(
    "pattern",
    ["ab." * 3000, "(?i)" + "ks" * 1000, "(" * 900 + "ab" + ")+" * 900, "|".join(f"service{number}" for number in range(1000)),
     "".join(f"[ab{number % 10}]" for number in range(1000)), "(a|" * 900 + "b" + ")*" * 900],
)  # fmt: skip
def test_few_and_short_ones_are_kept(pattern: str) -> None:
    """Whatever the expression: it is read in time linear in its size."""
    needs = required_literals(pattern)
    assert len(needs) <= 20
    assert all(len(alternatives) <= 32 for alternatives in needs)
    assert all(len(each) <= 256 for alternatives in needs for each in alternatives)


def test_only_few_words_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where both of two parts may end and begin in many ways, each time that this is repeated."""
    sizes = []
    crossed = texts._crossed

    def noted(first: frozenset[bytes], second: frozenset[bytes]) -> frozenset[bytes]:
        found = crossed(first, second)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(texts, "_crossed", noted)
    pattern = f"{'(' * 60}[ab][cd][ef][gh][ij].[kl][mn][op][qr][st]{')+' * 60}"
    assert required_literals(pattern)
    assert len(sizes) > 100
    assert max(sizes) <= 32


def check(pattern: str, content: bytes) -> None:
    if not found(pattern, content):
        return
    for alternatives in required_literals(pattern):
        assert all(len(each) >= 3 and each == each.lower() for each in alternatives)
        assert any(each in content.lower() for each in alternatives)
    for literal in exact_literals(pattern):
        assert literal in content


_parts = st.recursive(
    st.sampled_from(["a", "b", "ab", "[ab]", ".", "[^a]", "x", "k", "s", "abc"]),
    lambda parts: st.one_of(
        st.builds("".join, st.lists(parts, min_size=2, max_size=4)),
        st.builds("(?:{}|{})".format, parts, parts),
        st.builds("(?:{}){}".format, parts, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])),
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=500)
@given(_parts, st.booleans(), st.data())
def test_texts_made_from_a_pattern_contain_the_literals(
    pattern: str, folds: bool, data: st.DataObject
) -> None:
    """Texts that are drawn from it match."""
    text = "(?i)" + pattern if folds else pattern
    check(text, data.draw(st.from_regex(text, fullmatch=True)).encode())


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
