"""The locks that check how they are used notice each misuse, and nothing else."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.locks import ORDER, SHORT, new_lock
from tests import debug_locks
from tests.debug_locks import Violations


@pytest.fixture
def violations() -> Iterator[Violations]:
    """Use locks of one's own, so that misusing them fails no other test."""
    with debug_locks.installed() as violations:
        yield violations


def test_the_order_is_kept_without_a_word(violations: Violations) -> None:
    """Each lock may be taken under any that comes before it in the order."""
    longer = [new_lock(name) for name in ORDER if name not in SHORT]
    short = [new_lock(name) for name in ORDER if name in SHORT]
    for group in (longer, short):
        for lock in group:
            assert lock.acquire()
        for lock in group:
            lock.release()
    assert violations.take() == []


def test_the_order_may_not_be_turned_round(violations: Violations) -> None:
    """The message names both locks, and the place."""
    first, second = new_lock("append"), new_lock("state")
    with second, first:
        assert debug_locks.held_short_locks() == ["state", "append"]
    [found] = violations.take()
    assert found.startswith("the lock append is taken under state")
    assert "test_the_order_may_not_be_turned_round" in found


def test_two_locks_of_one_name_have_no_order(violations: Violations) -> None:
    """Two threads could take them in either."""
    with new_lock("file"), new_lock("file"):
        pass
    assert len(violations.take()) == 1


def test_a_thread_does_not_wait_for_itself(violations: Violations) -> None:
    """To take a lock twice fails at once rather than never ending."""
    lock = new_lock("state")
    with lock, pytest.raises(AssertionError, match="twice"):
        lock.acquire()
    assert not lock.locked()


def test_slow_calls_under_a_short_lock(violations: Violations, tmp_path: Path) -> None:
    """Reading, listing and fsync are noted there, and only there."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with new_lock("flush"):
        os.fsync(descriptor)
    with new_lock("append"):
        os.fsync(descriptor)
        os.listdir(tmp_path)
    os.close(descriptor)
    assert [each.splitlines()[0] for each in violations.take()] == [
        "fsync under the lock append",
        "listdir under the lock append",
    ]


def test_a_short_lock_does_not_wait_for_a_long_one(violations: Violations) -> None:
    """Under the lock of the flusher there are fsyncs: to wait for it is to wait for them."""
    with new_lock("append"), new_lock("index"):
        pass
    [found] = violations.take()
    assert found.startswith("append waits for index")


def test_other_threads_are_not_in_the_way(violations: Violations) -> None:
    """The locks that one thread holds say nothing about another."""
    lock = new_lock("state")
    with lock:
        thread = threading.Thread(target=lambda: new_lock("append").acquire())
        thread.start()
        thread.join()
    assert violations.take() == []
