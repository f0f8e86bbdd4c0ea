"""Posting lists are sets of ids that take less memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.index import postings as postings_module
from store.index.postings import Postings

ROWS = 6
rows = st.integers(0, ROWS - 1)
ids = st.integers(0, 5)
pairs = st.lists(st.tuples(rows, ids), max_size=20)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.tuples(rows, ids)),
        st.tuples(st.just("add all"), pairs),
        st.tuples(st.just("remove all"), pairs),
        st.tuples(st.just("clear"), st.lists(rows, unique=True)),
        st.just(("restore", None)),
    ),
    max_size=20,
)


def columns(of: list[tuple[int, int]]) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]:
    return tuple(np.array([pair[each] for pair in of], np.int64) for each in (0, 1))


def check(postings: Postings, oracle: list[set[int]]) -> None:
    assert len(postings) == ROWS
    for row, wanted in enumerate(oracle):
        assert postings.of(row).tolist() == sorted(wanted)
    for some in ([], [0], [1, 3, 5], list(range(ROWS))):
        found = postings.union(np.array(some, np.int64))
        assert found.tolist() == sorted(set().union(*(oracle[row] for row in some)))
    assert postings.empty(np.arange(ROWS)).tolist() == [
        row for row in range(ROWS) if not oracle[row]
    ]
    lengths, every = postings.export()
    assert lengths.tolist() == [len(each) for each in oracle]
    assert every.tolist() == [number for each in oracle for number in sorted(each)]


@pytest.mark.parametrize("few", [0, 4, 99])
@settings(max_examples=100)
@given(given_steps=steps)
def test_posting_lists_are_sets(few: int, given_steps: list[tuple[str, object]]) -> None:
    """Whatever is added and removed, one by one or together, and after they were exported and restored."""
    postings, oracle = Postings(), [set[int]() for _ in range(ROWS)]
    postings.resize(2)
    postings.resize(ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings_module, "_FEW", few)
        for step, some in given_steps:
            if isinstance(some, tuple):
                postings.add(*some)
                oracle[some[0]].add(some[1])
            elif some is None:
                exported = postings.export()
                postings = Postings()
                postings.resize(ROWS)
                postings.restore(*exported)
            else:
                assert isinstance(some, list)
                if step == "clear":
                    postings.clear(np.array(some, np.int64))
                    for row in some:
                        oracle[row].clear()
                elif step == "add all":
                    postings.add_all(*columns(some))
                    for row, number in some:
                        oracle[row].add(number)
                else:
                    postings.remove_all(*columns(some))
                    for row, number in some:
                        oracle[row].discard(number)
            check(postings, oracle)


def test_size_of_posting_lists() -> None:
    """A row with one id takes four bytes; bitmaps take no more than a bit for each id there may be."""
    postings = Postings()
    postings.resize(1000)
    postings.add_all(np.arange(1000), np.arange(1000))
    assert postings.size == 4000
    for row in range(10):
        postings.add_all(np.full(1 << 16, row), np.arange(1 << 16))
    assert 10 * 8192 <= postings.size - 4000 <= 10 * 8192 + 10 * 1024
    postings.clear(np.arange(10))
    assert postings.size == 4000
