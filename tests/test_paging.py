"""Tables that have outgrown the budget are in files that the kernel pages; nothing else is different."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from store import Event, HasTag, NaiveEventStore, Not, Query, StoreFull
from store.disk.disk import Disk
from store.disk.pages import Pages
from store.query import MINUTE_S
from tests.counting import memory
from tests.test_cost import NEVER_MS, remove_minutes, write_minutes

SMALL, LARGE = 256 << 10, 256 << 20
MINUTES = 1500
TAGS = 4000


@contextlib.contextmanager
def opened(directory: Path, budget: int, disk: Disk | None = None) -> Iterator[NaiveEventStore]:
    with contextlib.closing(
        NaiveEventStore(str(directory), NEVER_MS, disk, memory_size=budget)
    ) as store:
        yield store


def paged_size(store: NaiveEventStore) -> int:
    return int(store.status()["memory_paged_bytes"])


def answers(store: NaiveEventStore) -> dict[str, object]:
    """Return what *store* says of its minutes, streams and events."""
    some = Query().tagged("7", "t").where(Not(HasTag(frozenset({"2000"}))))
    return {
        "spans": [each._replace(changed=0) for each in store.snapshot(Query()).spans],
        "some": [each._replace(changed=0) for each in store.snapshot(some).spans],
        "whole": store.whole(some)._replace(changed=0),
        "tags": store.tags(),
        "tags of some": store.tags(some),
        "streams": sorted(store.streams(Query())),
        "bytes": store.answer(some).read(0, LARGE),
    }


def test_answers_are_those_of_a_store_with_room(tmp_path: Path) -> None:
    """While minutes and tags come and go, and after opening it again."""
    found: dict[int, list[dict[str, object]]] = {}
    for budget in (SMALL, LARGE):
        directory, steps = tmp_path / str(budget), []
        directory.mkdir()
        write_minutes(directory, range(MINUTES))
        with opened(directory, budget) as store:
            for first in range(0, TAGS, TAGS // 4):
                store.save_all(
                    Event(f"{each}", f"source {each % 9}", each * MINUTE_S // 2, [f"{each}"], "x")
                    for each in range(first, first + TAGS // 4)
                )
                store._tick()
                steps.append(answers(store))
            remove_minutes(directory, range(0, MINUTES, 3))
            store._tick()
            steps.append(answers(store))
            assert (paged_size(store) > 0) == (budget == SMALL)
        with opened(directory, budget) as store:
            steps.append(answers(store))
            store.save(Event("last", "new source", 10, ["a tag that is new"], "x"))
            steps.append(answers(store))
            assert (paged_size(store) > 0) == (budget == SMALL)
        found[budget] = steps
    assert found[SMALL] == found[LARGE]


def test_of_a_minute_a_few_bytes_stay(tmp_path: Path) -> None:
    """The order of time, however many there are; the rest is in the file."""

    def kept_of(minutes: int) -> int:
        directory = tmp_path / str(minutes)
        directory.mkdir()
        write_minutes(directory, range(minutes), 1)
        with opened(directory, LARGE):
            pass
        stores: list[NaiveEventStore] = []
        with contextlib.ExitStack() as stack:
            _, kept = memory(lambda: stores.append(stack.enter_context(opened(directory, SMALL))))
            assert paged_size(stores[0]) > minutes * 100
        return kept

    assert kept_of(2 * MINUTES) - kept_of(MINUTES) < MINUTES * 50


def test_the_memory_is_given_back(tmp_path: Path) -> None:
    """The kernel has it in its cache, or in the file."""
    size = 4 << 20
    pages = Pages(Disk(), str(tmp_path))
    array = pages.zeros(size // 8, np.int64)
    array[:] = np.arange(size // 8)
    assert pages.size == size
    assert resident_size(tmp_path) == size
    pages.release()
    assert resident_size(tmp_path) == 0
    assert int(array[1000]) == 1000
    assert (array == np.arange(size // 8)).all()
    del array
    assert pages.size == 0
    assert list(tmp_path.iterdir()) == []


def resident_size(directory: Path) -> int:
    """Return the memory, in bytes, of mappings of files in *directory*."""
    maps = Path("/proc/self/smaps").read_text()
    found = re.findall(rf" {re.escape(str(directory))}/.*\n(?:.*\n)*?Rss: +(\d+) kB", maps)
    return sum(map(int, found)) << 10


class DiskWithoutRoom(Disk):
    def map_unnamed(self, directory: str, size: int) -> None:  # type: ignore[override]
        raise StoreFull(f"no room for {size} bytes in {directory}")


def test_without_room_all_is_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says so, once for each table that grows, and everything works."""
    write_minutes(tmp_path, range(MINUTES))
    with opened(tmp_path, SMALL, DiskWithoutRoom()) as store:
        assert store.whole(Query()).events == 2 * MINUTES
        assert paged_size(store) == 0
    assert "in memory than the budget" in caplog.text
