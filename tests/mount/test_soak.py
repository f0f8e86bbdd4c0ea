"""Some seconds of ``scripts/soak``."""

from pathlib import Path

import pytest

from tests.soak.run import soak


@pytest.mark.one_binding
def test_a_short_soak(tmp_path: Path) -> None:
    """All kinds of boundaries are crossed, minutes are changed in place and removed, and nothing is lost, doubled, or refused."""
    report = soak(tmp_path, duration_s=4, seed=13)
    assert report.is_good, str(report)
    assert report.acknowledged > 0, str(report)
    assert report.crossed.keys() == {"minute", "summer time", "day", "back", "year"}
    assert report.changes > 0, str(report)
    assert report.removals > 1, str(report)
