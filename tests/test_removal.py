"""Removal through the filesystem, asked directly."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, EventNotFound, MinuteNotFound, NaiveEventStore
from theiafs.config import Settings, parse_options
from theiafs.errors import NotFound, NotPermitted, errno_of
from theiafs.operations import Operations

MINUTE = "/minutes/10-70"
HIDDEN = "/minutes/.fuse_hidden0000000100000001"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), 1e9)
    opened.save_all([Event("a", "s", 10, ["web"], "x"), Event("b/c", "s", 200, ["web"], "y")])
    yield opened
    opened.close()


Mounted = Callable[[str], Operations]


@pytest.fixture
def mounted(store: NaiveEventStore) -> Mounted:
    return lambda options: Operations(store, parse_options(options), lambda: None)


def ids(store: NaiveEventStore) -> list[object]:
    return [event.id for event in store.search(0)]


def test_the_option(mounted: Mounted) -> None:
    """It is off by default, and shown."""
    assert not Settings().can_remove
    assert "delete" not in Settings().options.split(",")
    settings = parse_options("delete")
    assert settings.can_remove
    assert parse_options(settings.options) == settings


def test_a_minute_and_an_event(store: NaiveEventStore, mounted: Mounted) -> None:
    """Each goes, and nothing else; a second time it is not there."""
    operations = mounted("delete")
    operations.unlink(MINUTE)
    assert ids(store) == ["b/c"]
    with pytest.raises(MinuteNotFound):
        operations.unlink(MINUTE)
    with pytest.raises(NotFound):
        operations.getattr(MINUTE)
    operations.unlink("/by-id/b%2Fc")
    with pytest.raises(EventNotFound):
        operations.unlink("/by-id/b%2Fc")
    assert ids(store) == []


@pytest.mark.parametrize("path", [MINUTE, "/by-id/a"])
def test_without_the_option(store: NaiveEventStore, mounted: Mounted, path: str) -> None:
    """The error says how to allow it, also for a file that is open, which libfuse renames."""
    operations = mounted("")
    with pytest.raises(NotPermitted, match="mount with -o delete"):
        operations.unlink(path)
    with pytest.raises(NotPermitted, match="mount with -o delete"):
        operations.rename(path, f"{os.path.dirname(path)}/.fuse_hidden01")
    assert len(ids(store)) == 2


@pytest.mark.parametrize("options", ["", "delete"])
@pytest.mark.parametrize(
    ("path", "advice"),
    [
        (f"{MINUTE}.log", "rm minutes/10-70"),
        (f"{MINUTE}.jsonl", "rm minutes/10-70"),
        ("/by-tag/web/10-70", "rm minutes/10-70"),
        ("/by-tag/web/10-70.log", "rm minutes/10-70"),
        ("/by-tag/web/events", "cannot be removed"),
        ("/count", "cannot be removed"),
        ("/README", "cannot be removed"),
        ("/latest", "cannot be removed"),
        ("/.count", "cannot be removed"),
    ],
)
def test_what_cannot_be_removed(
    store: NaiveEventStore, mounted: Mounted, options: str, path: str, advice: str
) -> None:
    """A part of a minute, a view of one, and everything else; neither a directory."""
    operations = mounted(options)
    with pytest.raises(NotPermitted, match=advice):
        operations.unlink(path)
    with pytest.raises(NotPermitted, match="cannot be removed"):
        operations.rmdir(os.path.dirname(path))
    assert len(ids(store)) == 2


@pytest.mark.parametrize("name", ["today", "yesterday", "last-1h", "1h", "newest-15m"])
def test_a_range_that_moves(store: NaiveEventStore, mounted: Mounted, name: str) -> None:
    """It would depend on the moment what is removed. One that the refusal gives instead can be removed."""
    operations = mounted("delete")
    with pytest.raises(NotPermitted, match="its range moves") as refused:
        operations.unlink(f"/by-tag/web/range/{name}/events")
    instead = re.findall(r"range/\S+", str(refused.value).partition(" give ")[2])
    assert len(instead) == 2
    for each in instead:
        operations.unlink(f"/by-tag/web/{each}/events")
    assert len(ids(store)) == 2


@pytest.mark.parametrize("options", ["", "delete"])
def test_ingest_files_stay(mounted: Mounted, options: str) -> None:
    """Removing one succeeds, and does nothing."""
    operations = mounted(options)
    for path in ("/ingest", "/by-tag/web/ingest"):
        operations.unlink(path)
        assert operations.getattr(path).size == 0


@pytest.mark.parametrize(
    ("path", "hidden"), [(MINUTE, HIDDEN), ("/by-id/a", "/by-id/.fuse_hidden01")]
)
def test_a_file_that_is_open(
    store: NaiveEventStore, mounted: Mounted, path: str, hidden: str
) -> None:
    """It has its attributes until it is closed, under the name that libfuse gives it; its path is free at once."""
    operations = mounted("delete")
    number = operations.open(path, os.O_RDONLY, os.getpid()).number
    other = operations.open(path, os.O_RDONLY, os.getpid()).number
    before = operations.getattr(path)
    with pytest.raises(Exception) as missing:  # noqa: PT011 - libfuse looks for a free name
        operations.getattr(hidden)
    assert errno_of(missing.value) == errno.ENOENT
    operations.rename(path, hidden)
    assert ids(store) == ["b/c"]
    assert operations.getattr(hidden) == before
    with pytest.raises(Exception) as gone:  # noqa: PT011 - of the store, or of the tree
        operations.getattr(path)
    assert errno_of(gone.value) == errno.ENOENT
    store.save(Event("a", "s", 10, [], "a new one, which is longer"))
    assert operations.getattr(path).size > before.size
    again = operations.open(path, os.O_RDONLY, os.getpid()).number
    for each in (number, again, other):
        operations.release(each)
    operations.unlink(hidden)
    with pytest.raises(NotFound):
        operations.getattr(hidden)
    assert len(ids(store)) == 2


def test_files_are_not_renamed(store: NaiveEventStore, mounted: Mounted) -> None:
    """Only libfuse does, to remove them."""
    operations = mounted("delete")
    for new in ("/minutes/1-2", "/x", "/views/x"):
        with pytest.raises(NotPermitted):
            operations.rename(MINUTE, new)
    with pytest.raises(NotPermitted, match="rm minutes/10-70"):
        operations.rename("/by-tag/web/10-70", "/by-tag/web/.fuse_hidden01")
    assert len(ids(store)) == 2
