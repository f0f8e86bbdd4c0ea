"""While a path is held open, the size and time that it shows never shrink."""

from hypothesis import given
from hypothesis import strategies as st

from store import Answer, Query, Span
from theiafs.handles import AnswerHandle
from theiafs.openanswers import Extent, OpenAnswers

NOTHING = Extent(0, 0, 0.0)
SPAN = Span("", 5, 1, 0, 0.0)


class FakeAnswer(Answer):
    """An answer whose size is set."""

    def __init__(self, size: int, generation: int | None = None) -> None:
        super().__init__(Span("", size, 1, 0, 0.0), size, generation)
        self.now = size

    def size(self) -> int:
        return self.now

    def read(self, offset: int, size: int) -> bytes:
        return b""


def opened(size: int, generation: int | None = None) -> AnswerHandle:
    return AnswerHandle(FakeAnswer(size, generation), Query(), Span("", size, 1, 0, 0.0))


def test_only_the_location_that_is_open_is_concerned() -> None:
    """Every other shows what there is, and nothing where nothing is."""
    answers = OpenAnswers()
    found = Extent(5, 1, 4.0)
    assert answers.extend("a", found) == found
    assert answers.extend("a", None) is None
    handle = opened(7)
    answers.add("a", handle, Span("", 7, 1, 3, 2.0))
    assert answers.extend("b", found) == found
    assert answers.extend("b", None) is None
    assert answers.extend("a", found) == Extent(7, 3, 4.0)
    assert answers.extend("a", None) == Extent(7, 3, 4.0)
    assert (answers.has("a"), answers.has("b")) == (True, False)
    answers.remove("a", handle)
    assert answers.extend("a", found) == found
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
    size, newest, shown = 0, 0, NOTHING
    closed: list[FakeAnswer] = []
    for step, number in steps:
        if step == "open":
            answer = FakeAnswer(number)
            span = Span("", number, 1, number, float(number))
            handle = AnswerHandle(answer, Query(), span)
            answer_of[handle] = answer
            answers.add("x", handle, span)
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
            shown = shown._replace(size=shown.size + number) if handles else shown
        if not handles:
            shown = NOTHING
            closed.clear()
        found = answers.extend("x", Extent(size, newest, float(newest)))
        assert found is not None
        assert found.size >= shown.size
        assert found.newest >= shown.newest
        assert found.changed >= shown.changed
        shown = found if handles else NOTHING


def test_files_with_other_bytes_do_not_share_the_kernels_cache() -> None:
    """It has one cache for a path, so the second is read directly, until the first is closed."""
    answers = OpenAnswers()
    first, same, other = opened(5), opened(5), opened(7)
    assert first.version == same.version != other.version
    version = first.version
    answers.add("x", first, SPAN)
    answers.add("x", same, SPAN)
    answers.add("x", other, SPAN)
    assert (first.version, same.version, other.version) == (version, version, None)
    for handle in (first, same, other):
        answers.remove("x", handle)
    again = opened(7)
    answers.add("x", again, SPAN)
    assert again.version is not None


def test_a_file_that_has_only_grown_shares_the_kernels_cache() -> None:
    """With those that were opened before it grew, whether the kernel caches them or not; not with others, closed ones included."""
    answers = OpenAnswers()
    before, direct, after = opened(5, 1), opened(6, 1), opened(7, 1)
    direct.version = None
    for each in (before, direct, after):
        answers.add("x", each, SPAN)
    assert before.version != after.version != None  # noqa: E711 - all three
    other = opened(7, 2)
    answers.add("x", other, SPAN)
    assert other.version is None
    answers.remove("x", other)
    answers.remove("x", before)
    last = opened(7, 1)
    answers.add("x", last, SPAN)
    assert last.version is None
