"""Places among equals: as a dictionary counts them, whatever the runs they are kept in."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from theiafs.importing.places import Places

FEW = st.lists(st.integers(0, 5), max_size=12)


@given(st.lists(FEW, max_size=12))
def test_places_are_those_of_a_dictionary(blocks: list[list[int]]) -> None:
    """Equal hashes have equal times, as those of equal events do."""
    places, counts = Places(), dict.fromkeys(range(6), 0)
    for block in blocks:
        hashes = np.array(block, np.uint64)
        found = places.count(hashes, np.array(block, np.int64) * 10)
        expected = []
        for each in block:
            expected.append(counts[each])
            counts[each] += 1
        assert found.tolist() == expected


def test_few_runs_are_kept_and_those_of_other_times_are_not_searched() -> None:
    """The blocks of a log in order share no times, and are merged to few runs."""
    places, blocks = Places(), 200
    for block in range(blocks):
        hashes = np.arange(block * 10, block * 10 + 10, dtype=np.uint64)
        places.count(hashes, hashes.astype(np.int64))
    runs = places._runs
    assert sum(len(run.hashes) for run in runs) == 10 * blocks
    assert len(runs) <= blocks.bit_length()
    assert all(later.oldest > earlier.newest for earlier, later in itertools.pairwise(runs))
