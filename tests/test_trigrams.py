"""A filter of trigrams never denies what is there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.index import trigrams as trigrams_module
from store.index.trigrams import build, may_contain
from store.matching.lines import join_lines
from store.matching.literals import required_literals
from tests.patterns import contents, found, patterns

WORDS = b"accept session refused upstream timeout connection closed by peer retry 10.0.0.1".split()
TEXT = b"\n".join(
    b" ".join(WORDS[(each * step) % len(WORDS)] for step in range(1, 8)) for each in range(500)
)


@settings(max_examples=500)
@given(st.lists(st.binary(max_size=80), max_size=5), st.integers(0, 5000), st.data())
def test_what_is_there_may_be(texts: list[bytes], file_size: int, data: st.DataObject) -> None:
    """Any part of any text, in lower case, and any of them together."""
    packed = build(texts, file_size)
    assert len(packed) <= file_size / 20
    literals = []
    for text in texts:
        start = data.draw(st.integers(0, len(text)))
        literals.append(text.lower()[start : data.draw(st.integers(start, len(text)))])
    assert may_contain(packed, [[literal] for literal in literals])
    assert may_contain(packed, [[b"not there", literal] for literal in literals])


@settings(max_examples=300)
@given(patterns, patterns, st.lists(contents, max_size=4))
def test_what_matches_may_be(first: str, second: str, each: list[bytes]) -> None:
    """The literals that a pattern needs are in the filter of each content that it matches."""
    pattern = f"abk{first}"
    texts = [b"ABK" + content for content in each] + [b"abk" + content for content in each]
    packed = build([b"\n".join(texts)], 2000)
    if any(found(pattern, text) for text in texts):
        assert may_contain(packed, required_literals(pattern))
    if any(found(second, text) for text in texts):
        assert may_contain(packed, required_literals(second))


def test_what_is_not_there_is_denied() -> None:
    """Nearly always: here always."""
    packed = build([TEXT], 2 * len(TEXT))
    assert may_contain(packed, [[b"timeout"], [b"session"]])
    for literal in (b"payment", b"oomkilled", b"10.0.0.2", b"4711", b"retried", b"segfault"):
        assert not may_contain(packed, [[literal]])
        assert not may_contain(packed, [[literal, b"payments"]])
        assert not may_contain(packed, [[b"timeout"], [literal]])
        assert may_contain(packed, [[literal, b"timeout"]])


def test_nothing_is_known_of_short_literals() -> None:
    assert may_contain(build([TEXT], 2 * len(TEXT)), [[b""], [b"q"], [b"qx"]])
    assert may_contain(build([TEXT], 2 * len(TEXT)), [])


def test_filters_of_small_files_are_empty() -> None:
    """There is no room for one."""
    assert build([b"timeout"], 100) == b""
    assert may_contain(b"", [[b"other"]])


def test_blocks_are_hashed_as_one() -> None:
    """However large they are."""
    packed = build([TEXT], 2 * len(TEXT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trigrams_module, "_BLOCK_SIZE", 7)
        assert build([TEXT], 2 * len(TEXT)) == packed


@settings(max_examples=300)
@given(st.data())
def test_damaged_filters_are_refused(data: st.DataObject) -> None:
    """Any bit that changed, and any end that is missing."""
    packed = build([TEXT], len(TEXT))
    if data.draw(st.booleans()):
        position = data.draw(st.integers(0, len(packed) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        damaged = packed[:position] + bytes([packed[position] ^ bit]) + packed[position + 1 :]
    else:
        damaged = packed[: data.draw(st.integers(1, len(packed) - 1))]
    with pytest.raises(ValueError, match="filter of trigrams"):
        may_contain(damaged, [[b"timeout"]])


@given(st.lists(contents, max_size=8), st.lists(contents.filter(bool), min_size=1, max_size=3))
def test_lines_are_the_contents(each: list[bytes], headers: list[bytes]) -> None:
    """Joined by newlines; those that have newlines of their own are told apart."""
    data, starts = b"", []
    for number, content in enumerate(each):
        data += headers[number % len(headers)]
        starts.append(len(data))
        data += content
    columns = np.array(starts, np.int64)
    lines = join_lines(data, columns, columns + np.array([len(one) for one in each], np.int64))
    assert lines.text == b"".join(content + b"\n" for content in each)
    assert lines.divided.tolist() == [b"\n" in content for content in each]
    assert lines.ends.tolist() == [
        sum(len(one) + 1 for one in each[: number + 1]) for number in range(len(each))
    ]
