r"""Regular expressions and contents to try them on: drawn ones, and those that have hurt others."""

import functools

from hypothesis import strategies as st
from re2 import _re2

HOSTILE = [
    "", "a", "abc", "aa", "aba", "abab", "a[^z]*k", "[^z]*", "[^z]*k", r"\n", r"a\nb", r"\s", r"a\s+b", "(?s).", "(?s)a.b", "(?s)a.*b",
    "(?s).*", ".*", ".", "^", "$", "^$", "^a", "a$", "^a$", "a*", "x*", r"\b", r"\B", r"\ba", r"a\b", r"\bab\b", r"\Ba", r"\A", r"\z",
    r"\Aa", r"a\z", r"\A\z", r"\Aa*\z", r"(?-m)^a", r"(?-m)a$", "(?-m)^$", "(?-m:^)a", "(?i-m:a$)", "(?s-m)a.$", "(?-im)^A", "(?m-i)^a$",
    "(?i)a", "(?i)K", "(?i)ks", "(?i)abc", "(?U)a+", "(?i:a)b", r"\C", r"\C*", r"a\Cb", r"(?s)\C$", "a|b", "abc|abd", "|", "a|", "(a|b)c", "()", "(a)",
    r"(\w+\s){3}after", "(x+x+)+y", "(a*)*", "(a*)*b", "(a|aa)+$", "([a-z]+)*[A-Z]", "a{0}", "a{2}", "a{2,}", "a{0,1}b", "(?:ab){2,3}",
    r"\Qa.b\E", r"\Qab", r"\Qa\E*b", r"ab\Q\E*c", r"abc(?i)*d", "^*", "^*a", r"a\x62c", r"a\.b", r"\x{61}bc", r"\141bc", r"\x{e9}", "é", "[é]", "(?i)É",
    "\\", "[[:space:]]", "[[:foo]", "[]]", "[^]]", "[^]a]+", r"[\s\S]", r"[^\n]", r"[\x00-\x20]", r"\D", r"\W", r"\S+", r"\pL", r"\PL", r"\p{Greek}", r"\r", r"\r$",
    "(?P<m>a)b", "(?P<i>a)bc", "(?<n>ab)c", "[a-q][^u-z]{13}x", "(?i)\\pL{3}", r"\x{FFFD}", "\x00", r"\x00", "k\u212a", "\u017f", "(?i)\u017f", "(?m)(?-m)a$", r"a(?-m:\z|$)b?",
    r"aba|\b", "ab|^", "ka|$", r"ab|\B", r"ab(c|\z)", r"(ab|\A)c?", "[[:alpha:][:^digit:]]b", "[[:a", r"\x{10ffff}", r"[\x80-\xff]", "a\nb", "\n", "^\n", "\n$",
]  # fmt: skip

_ATOMS = ["a", "b", "k", "s", "aba", "é", ".", "^", "$", r"\b", r"\B", r"\A", r"\z", r"\s", r"\S", r"\w", r"\W", r"\n", r"\C", "[^b]", "[a\\n]", "[^\\s]", r"\pL",
          r"\.", r"\x61", r"\Qa.b\E", r"\Q\E", "(?i)", "(?-m)", "(?s)", "(?m)", "(?U)", "(?i-m)", "\n", "\r", "-"]  # fmt: skip
_OPENINGS = ["(", "(?:", "(?i:", "(?s:", "(?-m:", "(?s-m:", "(?m-s:", "(?P<m>"]
_REPEATS = ["*", "+", "?", "*?", "{0}", "{2}", "{1,2}", "{0,}", "??"]


def _combine(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("".join, st.lists(children, min_size=2, max_size=4)),
        st.builds("{}|{}".format, children, children),
        st.builds("{}{})".format, st.sampled_from(_OPENINGS), children).map(
            lambda text: text if text.count("(") == text.count(")") else "a"
        ),
        st.builds("{}{}".format, children, st.sampled_from(_REPEATS)),
    )


def compiles(text: str) -> bool:
    """Return whether RE2 compiles *text* as the oracle does."""
    return bool(oracle(text).ok())


@functools.lru_cache(1000)
def oracle(text: str) -> _re2.RE2:
    """Compile *text* for one content at a time."""
    options = _re2.RE2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = 1 << 20
    return _re2.RE2(("(?m)" + text).encode(), options)


def found(text: str, content: bytes) -> bool:
    """Return whether *text* matches within *content*: one search of it alone."""
    anywhere = _re2.RE2.Anchor.UNANCHORED
    (start, _), *_groups = oracle(text).Match(anywhere, content, 0, len(content))
    return bool(start >= 0)


_drawn = st.recursive(st.sampled_from(_ATOMS), _combine, max_leaves=8)
_known = st.sampled_from(HOSTILE)
_joined = st.builds(
    "{1}{0}{2}".format, st.sampled_from(["", "|", "k"]), _known | _drawn, _known | _drawn
)
patterns = st.one_of(_known, _drawn, _joined).filter(compiles)

_pieces = st.sampled_from(
    [b"a", b"b", b"k", b"s", b"ab", b"aba", b"a.b", b"abc", b"x", b"y", b"z", b" ", b"-", b"A", b"K", b"\r", b"\x00", b"\xff", b"\xc3",
     "é".encode(), "É".encode(), "\u212a".encode(), "\u017f".encode(), b"after", b"\xe2\x84"]
)  # fmt: skip
lines = st.lists(_pieces, max_size=6).map(b"".join)
contents = st.one_of(lines, st.lists(lines, min_size=1, max_size=3).map(b"\n".join))
