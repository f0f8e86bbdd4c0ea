"""Whatever happens to the server and the network: nothing acknowledged is lost or doubled, and no file changes."""

from pathlib import Path

from tests.clickhouse.chaos import run

SEED = 20251125
DURATION_S = 60


def test_chaos(tmp_path: Path) -> None:
    """For a minute, with three stores on one database, of which one has a spool."""
    outcome = run(tmp_path, SEED, DURATION_S)
    print(outcome)
    assert not outcome.lost
    assert not outcome.doubled
    assert not outcome.appeared
    assert outcome.changes == []
    assert outcome.kills
    assert outcome.acknowledged
    assert outcome.reads
    assert all(outcome.troubles.values()), "what was to happen did"
