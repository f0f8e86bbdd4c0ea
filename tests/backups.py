"""Backups in tests: a store with events in files and in the log, and what a backup of it has."""

from pathlib import Path

from store import Backup, Event, NaiveEventStore
from store.disk.disk import Disk
from tests.survivors import NEVER_MS

__all__ = ["counts", "event", "ids", "make_store", "run"]


def event(number: int, minute: int = 0) -> Event:
    return Event(
        f"{minute}-{number}", "s", 60 * minute + number / 10, ["t"], f"event {number}\n" * 3
    )


def run(
    source: Path | str, target: Path | str, disk: Disk | None = None, **options: bool
) -> Backup:
    """Make a backup; nothing may fail."""
    backup = Backup(str(source), str(target), disk=disk, **options)
    assert [str(error) for error in backup.run()] == []
    return backup


def counts(backup: Backup) -> tuple[int, int, int]:
    return backup.copied, backup.unchanged, backup.removed


def ids(root: Path | str, disk: Disk | None = None) -> list[str]:
    store = NaiveEventStore(str(root), NEVER_MS, disk)
    found = [str(event.id) for event in store.search(0)]
    store.close()
    return found


def make_store(root: Path) -> NaiveEventStore:
    """Make a store in *root* that is open, with two minutes in files and one in the log."""
    opened = NaiveEventStore(str(root), NEVER_MS)
    opened.save_all(event(number, minute) for minute in range(2) for number in range(5))
    opened._flush_all()
    opened.save_all([event(5, 1), event(0, 2)])
    return opened
