"""Tags become file names and back."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theiafs.errors import NotFound
from theiafs.names import NAME_SIZE_MAX, escape, unescape

# Everything a tag can be once it has been through a store: UTF-8, or bytes that are none (PEP 383).
tags = st.binary(max_size=400).map(lambda data: data.decode("utf-8", "surrogateescape")) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=300
)


def among(*known: str) -> Callable[[], tuple[str, ...]]:
    """Return what returns the *known* tags."""
    return lambda: known


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("web", "web"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        (".git", "%2Egit"),
        ("..", "%2E."),
        ("a.b", "a.b"),
        ("", "%"),
        ("tab\there", "tab%09here"),
        ("a,b", "a%2Cb"),
        ("nul\0", "nul%00"),
        ("größe 日本", "größe 日本"),
        ("\udcff", "%FF"),
    ],
)
def test_only_bytes_that_a_name_cannot_hold_are_escaped(tag: str, name: str) -> None:
    """Everything else stays as it was typed."""
    assert escape(tag) == name
    assert unescape(name, among()) == tag


@given(tags)
def test_every_tag_has_a_name_that_leads_back_to_it(tag: str) -> None:
    """The encoding is reversible, and its result is a file name."""
    name = escape(tag)
    assert unescape(name, among(tag)) == tag
    assert 0 < len(name.encode()) <= NAME_SIZE_MAX
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")


@given(tags, tags)
def test_different_tags_have_different_names(one: str, other: str) -> None:
    """No two tags share a directory."""
    assert (escape(one) == escape(other)) == (one == other)


@given(st.text(max_size=20))
def test_a_tag_has_one_name_only(name: str) -> None:
    """A name that is not exactly that of a tag is the name of none."""
    try:
        tag = unescape(name, among())
    except NotFound:
        return
    assert escape(tag) == name


@pytest.mark.parametrize(
    "name", ["%77eb", "%2f", "100%", "%zz", "%%", "a%", ".git", "a/b", "x%%" + "0" * 32]
)
def test_other_spellings_are_not_found(name: str) -> None:
    """An escape that is not needed, in lower case or cut short is no name."""
    with pytest.raises(NotFound):
        unescape(name, among("web"))


def test_a_name_too_long_is_read_back_among_the_known() -> None:
    """Two tags that differ only beyond the longest name stay apart."""
    one, other = "x" * 300 + "1", "x" * 300 + "2"
    assert unescape(escape(one), among(other, one)) == one
    assert unescape(escape(other), among(other, one)) == other
    with pytest.raises(NotFound):
        unescape(escape(one), among(other))


def test_only_a_name_too_long_asks_for_the_tags_there_are() -> None:
    """Reading any other costs the same whatever the number of tags."""
    asked: list[str] = []

    def find() -> list[str]:
        asked.append("all")
        return ["y", "x" * 300]

    assert unescape("web%2Fx", find) == "web/x"
    assert asked == []
    assert unescape(escape("x" * 300), find) == "x" * 300
    assert asked == ["all"]
