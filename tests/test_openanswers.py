"""While a path is held open, the size and time that it shows never shrink."""

from hypothesis import given
from hypothesis import strategies as st

from store import Answer, Query, Span
from theiafs.handles import AnswerHandle
from theiafs.openanswers import Extent, OpenAnswers


class FakeAnswer(Answer):
    """An answer whose size is set."""

    def __init__(self, size: int) -> None:
        super().__init__(Span("", size, 1, 0, 0.0))
        self.now = size

    def size(self) -> int:
        return self.now

    def read(self, offset: int, size: int) -> bytes:
        return b""


def opened(size: int, changed: float = 0.0) -> AnswerHandle:
    return AnswerHandle(FakeAnswer(size), Query(), Span("", size, 1, 0, changed))


def test_only_the_location_that_is_open_is_concerned() -> None:
    """Every other shows what there is, and nothing where nothing is."""
    answers = OpenAnswers()
    assert answers.extend("a", Extent(5, 1)) == Extent(5, 1)
    assert answers.extend("a", None) is None
    handle = opened(7)
    answers.add("a", handle, 3)
    assert answers.extend("b", Extent(5, 1)) == Extent(5, 1)
    assert answers.extend("b", None) is None
    assert answers.extend("a", Extent(5, 1)) == Extent(7, 3)
    assert answers.extend("a", None) == Extent(7, 3)
    assert (answers.has("a"), answers.has("b")) == (True, False)
    answers.remove("a", handle)
    assert answers.extend("a", Extent(5, 1)) == Extent(5, 1)
    assert not answers.has("a")


@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "close", "arrive", "stat"]), st.integers(0, 9)),
        max_size=40,
    )
)
def test_what_was_shown_never_shrinks(steps: list[tuple[str, int]]) -> None:
    """Whatever is opened, closed and removed, as long as anything is open; and what arrives is added."""
    answers, handles, answer_of = OpenAnswers(), [], {}
    size, newest, shown = 0, 0, Extent(0, 0)
    closed: list[FakeAnswer] = []
    for step, number in steps:
        if step == "open":
            answer = FakeAnswer(number)
            handle = AnswerHandle(answer, Query(), Span("", number, 1, 0, 0.0))
            answer_of[handle] = answer
            answers.add("x", handle, number)
            handles.append(handle)
            size, newest = number, number
        elif step == "close" and handles:
            handle = handles.pop(number % len(handles))
            closed.append(answer_of[handle])
            answers.remove("x", handle)
        elif step == "arrive":
            for answer in [*closed, *(answer_of[each] for each in handles)]:
                answer.now += number
            size += number
            shown = Extent(shown.size + number, shown.newest) if handles else shown
        if not handles:
            shown = Extent(0, 0)
            closed.clear()
        found = answers.extend("x", Extent(size, newest))
        assert found is not None
        assert found.size >= shown.size
        assert found.newest >= shown.newest
        shown = found if handles else Extent(0, 0)


def test_files_with_other_bytes_do_not_share_the_kernels_cache() -> None:
    """It has one cache for a path, so the second is read directly, until the first is closed."""
    answers = OpenAnswers()
    first, same, other = opened(5), opened(5), opened(7)
    assert first.version == same.version != other.version
    version = first.version
    answers.add("x", first, 0)
    answers.add("x", same, 0)
    answers.add("x", other, 0)
    assert (first.version, same.version, other.version) == (version, version, None)
    for handle in (first, same, other):
        answers.remove("x", handle)
    again = opened(7)
    answers.add("x", again, 0)
    assert again.version is not None
