"""kill -9: every acknowledged event is there, once, after the next mount."""

from pathlib import Path

from tests.torture import Tally, kill_rounds


def test_thirty_kills(tmp_path: Path) -> None:
    """Kill a mount at random moments under four writers, sometimes while it recovers from the kill before."""
    tally = Tally()
    for tally in kill_rounds(tmp_path, 30, seed=17):
        assert (tally.lost, tally.doubled) == (0, 0), tally
    assert tally.rounds == 30
    assert tally.acknowledged > 0
