"""The store on ClickHouse fulfils the contract of stores."""

from collections.abc import Callable

import pytest

from store import EventStore
from tests.contract_keeping import KeepingContract


class TestClickHouseStore(KeepingContract):
    """On a real server."""

    @pytest.fixture
    def store(self, open_at: Callable[..., EventStore]) -> EventStore:
        return open_at()
