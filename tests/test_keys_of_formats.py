"""Tags of the fields of events."""

import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theiafs.formats.keys import VALUE_SIZE_MAX, tag_of


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (b"500", "status=500"),
        (b"", "status="),
        (b"a,b%c\n\x00\x7f", "status=a%2Cb%25c%0A%00%7F"),
        ("größer".encode(), "status=größer"),
        (b"\xff", "status=\udcff"),
        (b"x" * 201, "status=" + "x" * 200),
        (b"x" * 198 + b",,", "status=" + "x" * 198),
        (b"x" * 197 + b",,", "status=" + "x" * 197 + "%2C"),
        (b"x" * 199 + "ß".encode(), "status=" + "x" * 199),
        (b"x" * 198 + "ß".encode(), "status=" + "x" * 198 + "ß"),
    ],
)
def test_values_are_escaped_and_cut(value: bytes, tag: str) -> None:
    assert tag_of("status", value) == tag


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_a_tag_says_the_start_of_its_value(value: bytes) -> None:
    """All of it, where it is short."""
    tag = tag_of("key", value)
    written = tag.removeprefix("key=").encode("utf-8", "surrogateescape")
    assert len(written) <= VALUE_SIZE_MAX
    assert not re.search(rb"[\x00-\x1f\x7f,]", written)
    said = unquote_to_bytes(written)
    assert value.startswith(said)
    assert said == value or len(written) > VALUE_SIZE_MAX - 4
