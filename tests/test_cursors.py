"""Cursors of directories: across openings, the minutes that have changed are named, and no others."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from store import Changes, Event, EventSerializer, NaiveEventStore, Opening, open_store


def follow(directory: Path, cursor: bytes = b"") -> Changes:
    """Open the store in a directory to read it, and return what has changed."""
    with closing(open_store(str(directory), Opening(is_read_only=True))) as store:
        return store.follow(cursor)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return the directory of a store with three minutes."""
    with closing(NaiveEventStore(str(tmp_path), 1e9)) as store:
        store.save_all(Event(f"{time}", "s", time, ["t"], "content") for time in (0, 60, 61, 600))
    return tmp_path


def save_late(directory: Path) -> None:
    with closing(NaiveEventStore(str(directory), 1e9)) as store:
        store.save(Event("late", "s", 62))


def replace_by_as_many_bytes(directory: Path) -> None:
    path = directory / "60-120"
    path.write_bytes(path.read_bytes().replace(b"content", b"CONTENT", 1))


def cut_short(directory: Path) -> None:
    path = directory / "60-120"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def reindex(directory: Path) -> None:
    """Nothing that is kept of the minutes is left."""
    for path in (directory / ".theiafs").glob("index*"):
        path.unlink()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda _directory: None, []),
        (reindex, []),
        (save_late, ["60-120"]),
        (replace_by_as_many_bytes, ["60-120"]),
        (cut_short, ["60-120"]),
        (lambda directory: (directory / "60-120").unlink(), []),
        (lambda directory: (directory / "60-120").touch(), []),
    ],
)
def test_what_has_changed_since_a_cursor_is_named(
    directory: Path, change: Callable[[Path], object], named: list[str]
) -> None:
    """By whichever program it was changed."""
    first = follow(directory)
    assert first.minutes == ["0-60", "60-120", "600-660"]
    change(directory)
    second = follow(directory, first.cursor)
    assert second.minutes == named
    assert follow(directory, second.cursor).minutes == []


def test_files_that_start_together(tmp_path: Path) -> None:
    """Theia makes some; none that has changed is missed."""
    record = EventSerializer().serialize(Event("a", "s", 10)) + b"\n"
    for name in ("0-60", "0-70", "0-80", "100-160"):
        (tmp_path / name).write_bytes(record)
    cursor = follow(tmp_path).cursor
    (tmp_path / "0-70").write_bytes(2 * record)
    assert "0-70" in follow(tmp_path, cursor).minutes
    assert "100-160" not in follow(tmp_path, cursor).minutes


def test_a_cursor_is_small(tmp_path: Path) -> None:
    """A copy keeps it in its destination, for every minute of years perhaps."""
    count = 2000
    with closing(NaiveEventStore(str(tmp_path), 1e9)) as store:
        store.save_all(Event(f"{minute}", "s", minute * 60) for minute in range(count))
    assert len(follow(tmp_path).cursor) < 10 * count
