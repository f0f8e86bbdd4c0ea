"""Escapes of text of any origin."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from tests.renderings import HOSTILE, is_unsafe, shown
from theiafs.rendering.escaping import escape, escape_word, find_unsafe

ALL = "".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, sys.maxunicode + 1)))


def test_every_character_that_is_unsafe_and_no_other() -> None:
    safe = "".join([character for character in ALL if not is_unsafe(character)])
    assert escape(safe.encode()).decode() == safe
    for character in filter(is_unsafe, ALL):
        assert escape(character.encode()).decode() == shown(character.encode()) != character


def test_finding_every_character_that_is_unsafe() -> None:
    """Newlines aside."""
    data = ALL.encode()
    unsafe = [character for character in ALL if is_unsafe(character) and character != "\n"]
    found = find_unsafe(data).tolist()
    assert [data[start : start + 4].decode(errors="ignore")[0] for start in found] == unsafe


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.binary(max_size=5)), max_size=5))
def test_parts_in_which_something_is_found(parts: list[bytes]) -> None:
    """They are at least those that change, and in UTF-8 no others."""
    parts = [part.replace(b"\n", b"") for part in parts]
    data = b"\n".join(parts)
    found = find_unsafe(data).tolist()
    start = 0
    for part in parts:
        is_found = any(start <= position < start + len(part) for position in found)
        is_changed = escape(part) != part
        assert is_found or not is_changed
        assert is_found == is_changed or data.decode(errors="ignore").encode() != data
        start += len(part) + 1


@given(st.one_of(st.sampled_from(HOSTILE), st.binary()))
def test_words(data: bytes) -> None:
    """They have no spaces or tabs."""
    assert escape_word(data).decode() == shown(data, also=" \t")
    assert len(escape_word(data).split()) == (data != b"")
