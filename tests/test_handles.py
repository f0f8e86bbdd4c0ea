"""Open files read on after what they have read is removed."""

import mmap

import pytest

from store import Answer, EventReadException, Query, Span
from theiafs.handles import AnswerHandle
from theiafs.openanswers import OpenAnswers


class RemovableAnswer(Answer):
    """Bytes, the first of which can be removed."""

    def __init__(self, data: bytes) -> None:
        super().__init__(Span("", len(data), 1, 0, 0.0), len(data))
        self.data = data
        self.removed_size = 0

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        if offset < self.removed_size:
            raise EventReadException("removed")
        return self.data[offset : offset + size]


def opened(answer: Answer) -> AnswerHandle:
    assert answer.span is not None
    return AnswerHandle(answer, Query(), answer.span)


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 10_000])
def test_a_page_that_grows_is_read_again_with_what_was_removed(size: int) -> None:
    """The kernel has read it before; every earlier page is gone."""
    answer = RemovableAnswer(bytes(number % 251 for number in range(size)))
    handle = opened(answer)
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
    handle = opened(answer)
    assert handle.read(0, 50) == b"x" * 50
    answer.removed_size = 100
    answer.data += b"arrived"
    with pytest.raises(EventReadException):
        handle.read(0, 1 << 17)
    assert handle.read(100, 1 << 17) == b"arrived"


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 10_000])
def test_the_last_page_is_kept_before_it_is_read(size: int) -> None:
    """A program that reads only what arrives needs it; every earlier page is gone."""
    answer = RemovableAnswer(bytes(number % 251 for number in range(size)))
    handle = opened(answer)
    handle.keep_last_page()
    answer.removed_size = size
    answer.data += b"arrived"
    page = size // mmap.PAGESIZE * mmap.PAGESIZE
    assert handle.read(page, 1 << 17) == answer.data[page:]
    if page:
        with pytest.raises(EventReadException):
            handle.read(0, 1 << 17)


def test_a_page_that_another_program_has_read_is_kept_for_all() -> None:
    """The kernel has it, and reads it again through any of the open files."""
    answer = RemovableAnswer(b"x" * 100)
    first, second, other = (opened(answer) for _ in range(3))
    other.version = None  # its bytes are others: it reads past the kernel's cache
    answers = OpenAnswers()
    for each in (first, second, other):
        answers.add("x", each, Span("", 100, 1, 0, 0.0))
        each.keep_last_page()
    answer.data += b"arrived"
    assert first.read(0, 1 << 17) == answer.data
    answer.removed_size = len(answer.data)
    answer.data += b" later"
    assert second.read(0, 1 << 17) == answer.data
    assert second.read(107, 1 << 17) == b" later"
    with pytest.raises(EventReadException):
        other.read(0, 1 << 17)


def test_a_page_that_is_gone_at_the_opening_fails_when_it_is_read() -> None:
    """The opening succeeds: the file can be followed."""
    answer = RemovableAnswer(b"x" * 100)
    answer.removed_size = 100
    handle = opened(answer)
    handle.keep_last_page()
    with pytest.raises(EventReadException):
        handle.read(0, 1 << 17)
