"""Examining minute files in several processes."""

from pathlib import Path

import pytest

from store import Audit, Defect, Event, EventSerializer


def record(name: str, time: float) -> bytes:
    return EventSerializer().serialize(Event(name, "app", time, ["web"], f"line {name}")) + b"\n"


@pytest.mark.parametrize("process_count", [1, 3])
def test_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_count: int
) -> None:
    """Find the same in the same order as one, in files that are large, small, damaged, gone and not to be read."""
    monkeypatch.setattr("store.engine.examination._SIZE_MAX", 10_000)
    for number in range(600):
        data = b"".join(record(f"id{each}", 60 * number) for each in range(number, number + 3))
        name = f"{60 * number}-{60 * number + 60}"
        (tmp_path / name).write_bytes(data * (100 if number % 50 == 7 else 1))
    (tmp_path / "600-660").write_bytes(b"damage" + record("x", 600) + b"more")
    (tmp_path / "1200-1260").write_bytes(record("y", 0) * 2)
    (tmp_path / "1800-1860").write_bytes(b"")
    with (
        Audit(str(tmp_path)) as alone,
        Audit(str(tmp_path), process_count=process_count) as several,
    ):
        (tmp_path / "3000-3060").unlink()
        sizes: list[int] = []
        assert list(several.run(sizes.append)) == list(alone.run())
        assert len(sizes) == 599
    with Audit(str(tmp_path), to_repair=True, process_count=process_count) as repairing:
        assert sum(each.kind is Defect.DAMAGED for each in repairing.run()) == 2
    assert (tmp_path / "600-660").read_bytes() == record("x", 600)
