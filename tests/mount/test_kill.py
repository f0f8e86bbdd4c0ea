"""kill -9: everything that was acknowledged is there, once, after the next mount."""

from pathlib import Path

from tests.torture import Tally, kill_rounds


def test_thirty_kills(tmp_path: Path) -> None:
    """At random moments under four writers, and some while the mount recovers from the one before."""
    tally = Tally()
    for tally in kill_rounds(tmp_path, 30, seed=17):
        assert (tally.lost, tally.doubled) == (0, 0), tally
    assert tally.rounds == 30
    assert tally.acknowledged > 0
