"""Partitioning a batch among minute files."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from store import Batch, Event
from store.engine.partition import Partition
from store.ticks import TICKS_PER_S


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 400_000)), min_size=1, max_size=30))
def test_a_batch_is_divided_without_loss(rows: list[tuple[int, int]]) -> None:
    """Every event goes to its minute, in order, in parts that are not too large unless an event is."""
    batch = Batch.of(
        Event(str(at), "s", time, [str(time % 3)], "x" * size)
        for at, (time, size) in enumerate(rows)
    )
    partition = Partition(batch)
    ids = np.arange(100, 100 + len(batch.keys))
    data, sizes, times, streams = b"", [], [], []
    while not partition.is_done:
        start = partition.ticks // TICKS_PER_S // 60 * 60
        part = partition.take(start, start + 60)
        columns = part.entries(ids)
        assert len(part.data) == sum(columns.sizes)
        assert len(part.data) <= 1 << 20 or len(columns.sizes) == 1
        assert all(start <= time // TICKS_PER_S < start + 60 for time in columns.ticks.tolist())
        data += part.data
        sizes += columns.sizes.tolist()
        times += columns.ticks.tolist()
        streams += columns.streams.tolist()
    assert data == batch.data
    assert sizes == list(batch.sizes)
    assert times == list(batch.ticks)
    assert streams == [100 + stream for stream in batch.streams]
