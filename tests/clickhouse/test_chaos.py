"""Whatever happens to the servers and the network: nothing acknowledged is lost or doubled, and no file changes."""

from pathlib import Path

import pytest

from tests.clickhouse.chaos import run

SEED = 20251125
DURATION_S = 30


@pytest.mark.parametrize("shards", [1, 2])
def test_chaos(tmp_path: Path, shards: int) -> None:
    """For half a minute or more, with three mounts of one database, of which one has a spool."""
    outcome = run(tmp_path, SEED, shards, DURATION_S)
    print(outcome)
    assert not outcome.lost
    assert not outcome.doubled
    assert not outcome.appeared
    assert outcome.torn == []
    assert outcome.changes == [], outcome.changes[:5]
    assert outcome.kills
    assert outcome.acknowledged
    assert outcome.reads
    assert all(outcome.troubles.values()), "what was to happen did"
