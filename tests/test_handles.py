"""Open files read on after what they have read is removed."""

import mmap

import pytest

from store import Answer, EventReadException, Query, Span
from theiafs.handles import AnswerHandle


class RemovableAnswer(Answer):
    """Bytes, the first of which can be removed."""

    def __init__(self, data: bytes) -> None:
        super().__init__(Span("", len(data), 1, 0, 0.0))
        self.data = data
        self.removed_size = 0

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        if offset < self.removed_size:
            raise EventReadException("removed")
        return self.data[offset : offset + size]


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 10_000])
def test_a_page_that_grows_is_read_again_with_what_was_removed(size: int) -> None:
    """The kernel has read it before; every earlier page is gone."""
    answer = RemovableAnswer(bytes(number % 251 for number in range(size)))
    assert answer.span is not None
    handle = AnswerHandle(answer, Query(), answer.span)
    assert handle.read(0, 1 << 17) == answer.data
    answer.removed_size = size
    for _ in range(2000):
        page = len(answer.data) // mmap.PAGESIZE * mmap.PAGESIZE
        answer.data += b"arrived"
        assert handle.read(page, 1 << 17) == answer.data[page:]
    if size >= mmap.PAGESIZE:
        with pytest.raises(EventReadException):
            handle.read(0, 1 << 17)


def test_a_page_that_was_not_read_is_gone() -> None:
    """Other bytes never take its place."""
    answer = RemovableAnswer(b"x" * 100)
    assert answer.span is not None
    handle = AnswerHandle(answer, Query(), answer.span)
    assert handle.read(0, 50) == b"x" * 50
    answer.removed_size = 100
    answer.data += b"arrived"
    with pytest.raises(EventReadException):
        handle.read(0, 1 << 17)
    assert handle.read(100, 1 << 17) == b"arrived"
