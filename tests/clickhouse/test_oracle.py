"""The tree over ClickHouse shows what a brute-force filter over all events says."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import Event, EventStore
from store.query import minute_name
from tests.oracle import Model, Step, events, queries
from tests.test_oracle_tree import check
from theiafs.doors import Doors
from theiafs.tree import Tree


class AlignedModel(Model):
    """The names of minutes follow from the times."""

    def save(self, event: Event) -> None:
        """Store *event*."""
        self.arrived.append((event, minute_name(event.ticks)))


@pytest.mark.timeout(900)  # while other programs run, it takes minutes
@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.lists(events, max_size=6), min_size=1, max_size=2),
    st.lists(queries, min_size=1, max_size=2),
)
def test_every_directory_and_file_is_what_the_oracle_says(
    open_at: Callable[..., EventStore],
    server_sql: Callable[[str], str],
    batches: list[list[Event]],
    asked: list[list[Step]],
) -> None:
    """Listings, sizes, bytes and counts agree after every batch."""
    server_sql("TRUNCATE TABLE IF EXISTS tests.events")
    store = open_at()
    tree, model = Tree(store, Doors(1 << 20)), AlignedModel()
    for batch in batches:
        store.save_all(batch)
        for event in batch:
            model.save(event)
        for query in asked:
            check(tree, model, query, 4096)
    store.close()
