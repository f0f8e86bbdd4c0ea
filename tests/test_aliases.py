"""Ingest files that were renamed, as libfuse asks for them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, NaiveEventStore
from theiafs import operations as module
from theiafs.config import Settings
from theiafs.errors import NotFound, NotPermitted
from theiafs.operations import Operations

THREAD = os.getpid()
HIDDEN = "/.fuse_hidden0000000100000001"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), 1e9)
    yield opened
    opened.close()


@pytest.fixture
def operations(store: NaiveEventStore) -> Operations:
    return Operations(store, Settings(), lambda: None)


def contents(store: NaiveEventStore) -> list[object]:
    return [event.content for event in store.search(0)]


def test_the_file_itself_is_what_is_opened(store: NaiveEventStore, operations: Operations) -> None:
    """By the new name, when the kernel looked it up by the old one a moment before; however often it was renamed."""
    operations.rename("/ingest", "/ingest.1")
    operations.rename("/ingest.1", "/ingest.2")
    for path in ("/ingest", "/ingest.1", "/ingest.2"):
        opened = operations.open(path, os.O_WRONLY, THREAD)
        operations.truncate(path, 0)
        operations.chmod(path, 0o600)
        assert operations.getattr(path, opened.number) == operations.getattr("/ingest")
        operations.write(opened.number, f"by {path}\n".encode(), THREAD)
        operations.release(opened.number)
    assert contents(store) == ["by /ingest", "by /ingest.1", "by /ingest.2"]


def test_the_new_name_is_not_there(operations: Operations, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for a moment, in which programs may be opening the file."""
    operations.rename("/ingest", "/ingest.1")
    assert operations.getattr("/ingest.1") == operations.getattr("/ingest")
    later = time.monotonic() + module._SHOWN_FOR_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(NotFound):
        operations.getattr("/ingest.1")
    # Programs that rotate were told of it, and go on.
    operations.rename("/ingest.1", "/ingest.2")
    operations.unlink("/ingest.2")
    with pytest.raises(NotFound):
        operations.unlink("/ingest.3")


def test_a_file_that_is_removed_while_it_is_open(operations: Operations) -> None:
    """libfuse renames it, and removes the new name when it is closed."""
    expected = operations.getattr("/ingest")
    operations.rename("/ingest", "/ingest.1")
    operations.rename("/ingest.1", HIDDEN)
    assert operations.getattr(HIDDEN) == expected
    operations.truncate(HIDDEN, 0)
    operations.unlink(HIDDEN)
    assert operations.getattr("/ingest") == expected


def test_what_comes_to_be_there_counts(store: NaiveEventStore, operations: Operations) -> None:
    """An ingest file was renamed to a name that a minute gets later: it is the minute that has it."""
    minute = "/minutes/10-70"
    operations.rename("/ingest", minute)
    store.save(Event("id", "app", 10, [], "x"))
    assert operations.getattr(minute).size > 0
    opened = operations.open(minute, os.O_RDONLY, THREAD)
    assert operations.read(opened.number, 1 << 10, 0).startswith(b"event: ")
    operations.release(opened.number)
    for refused in (operations.chmod, operations.truncate):
        with pytest.raises(NotPermitted):
            refused(minute, 0)
    with pytest.raises(NotPermitted):
        operations.unlink(minute)
    with pytest.raises(NotPermitted):
        operations.rename("/ingest", minute)
