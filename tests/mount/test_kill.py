"""kill -9: every acknowledged event is there, once, after the next mount."""

from pathlib import Path

import pytest

from tests.torture import Tally, kill_rounds


@pytest.mark.one_binding
@pytest.mark.parametrize("seed", [17, 18, 19])
def test_ten_kills(tmp_path: Path, seed: int) -> None:
    """Kill a mount at random moments under four writers, sometimes while it recovers from the kill before."""
    tally = Tally()
    for tally in kill_rounds(tmp_path, 10, seed):
        assert (tally.lost, tally.doubled) == (0, 0), tally
    assert tally.rounds == 10
    assert tally.acknowledged > 0
