"""Memory that grows with data has a bound in bytes, and nothing is kept of minutes that are gone."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from store import Audit, Event, NaiveEventStore, Query
from store.format.batch import Batch
from store.query import MINUTE_S
from store.ticks import TICKS_PER_S
from tests.counting import Cost, assert_constant, cost_of, memory, only
from tests.test_cost import NEVER_MS, name_of, opened, opened_with, remove_minutes, write_minutes

NOISE_SIZE = 256 << 10
"""What Python, numpy and SQLite keep for themselves, in bytes, at most."""


def kept_by(function: Callable[[], object]) -> Cost:
    """Return the bytes that *function* leaves, as a cost: anything up to the noise counts as that."""
    _, kept = memory(function)
    return Counter({"kept bytes": max(kept, NOISE_SIZE)})


def save_lines(store: NaiveEventStore, minute: int, lines: int, size: int = 20) -> None:
    batch = Batch()
    batch.add_lines([b"x" * size] * lines, minute * MINUTE_S * TICKS_PER_S, "app", ["t"])
    store.save_batch(batch)


def test_flushed_bytes_leave_memory(tmp_path: Path) -> None:
    """However much is saved: an entry of each event stays, within the budget, and none of its bytes."""
    budget, size, count = 1 << 20, 1000, 20_000
    with contextlib.closing(NaiveEventStore(str(tmp_path), NEVER_MS, memory_size=budget)) as store:

        def save() -> None:
            for _ in range(count // 500):
                save_lines(store, 0, 500, size)
            store._flush_all()
            store.sync()

        _, kept = memory(save)
        assert store.whole(Query()).size > count * size
    assert kept <= 4 * budget < count * size // 4


def save_tags(store: NaiveEventStore, minute: int, numbers: Iterable[int]) -> None:
    """Save an event with a tag of its own for each of *numbers*."""
    store.save_all(
        Event(f"{each}", "app", minute * MINUTE_S + 10, [f"tag {each}"]) for each in numbers
    )


def test_one_open_minute_keeps_no_other_alive(tmp_path: Path) -> None:
    """While others are removed, step by step, nothing of them stays."""

    def measure(n: int) -> Cost:
        directory = tmp_path / str(n)
        directory.mkdir()
        with opened_with(directory, n) as store:
            answer = store.answer(Query().tagged("t"), name_of(0))
            before = answer.read(0, 1 << 16)

            def remove() -> None:
                for first in range(1, n, 20):
                    remove_minutes(directory, range(first, min(first + 20, n)))
                    store._tick()

            kept = kept_by(remove)
            assert answer.read(0, 1 << 16) == before
            return kept

    assert_constant(measure, 500)


def test_nothing_is_kept_of_tags_and_sources_that_are_gone(tmp_path: Path) -> None:
    """When the last event of each was removed, as when there had never been any."""

    def measure(n: int) -> Cost:
        directory = tmp_path / str(n)
        with opened(directory) as store:

            def come_and_go() -> None:
                for first in range(0, n, 500):
                    store.save_all(
                        Event(f"{each}", f"source {each}", 10, [f"tag {each}"])
                        for each in range(first, first + 500)
                    )
                    store._tick()
                    os.unlink(directory / "10-70")
                    store._tick()
                assert store.tags() == frozenset()

            return kept_by(come_and_go)

    assert_constant(measure, 4000)


@pytest.mark.parametrize("what", ["ranges", "tags"])
def test_all_caches_have_one_budget(tmp_path: Path, what: str) -> None:
    """Whatever is asked for: what is known of minutes takes no more bytes than they may."""
    budget = 1 << 20
    directory = str(tmp_path)
    with contextlib.closing(NaiveEventStore(directory, NEVER_MS)) as store:
        for minute in range(50):
            save_lines(store, minute, 5000)
    with contextlib.closing(NaiveEventStore(directory, NEVER_MS, memory_size=budget)) as store:

        def ask() -> None:
            for minute in range(50):
                query = Query().tagged("t")
                if what == "ranges":
                    start = minute * MINUTE_S * TICKS_PER_S
                    query = query.within(start, start + TICKS_PER_S)
                assert store.whole(query).events
                store.answer(query, name_of(minute)).read(0, 1 << 16)

        _, kept = memory(ask)
    assert kept <= 2 * budget


def test_minutes_that_were_written(tmp_path: Path) -> None:
    """They are in the budget as large as they have become, as soon as they are flushed."""
    budget = 1 << 20
    with contextlib.closing(NaiveEventStore(str(tmp_path), NEVER_MS, memory_size=budget)) as store:

        def save() -> None:
            for minute in range(100):
                for _ in range(10):
                    save_lines(store, minute, 500)
                store.sync()
                store._flush_all()

        _, kept = memory(save)
    assert kept <= 2 * budget


def test_many_tags(tmp_path: Path) -> None:
    """Besides a small budget, an event with a tag of its own takes no more than 120 bytes of memory."""
    budget, count = 1 << 20, 120_000
    directory = str(tmp_path)
    with contextlib.closing(NaiveEventStore(directory, NEVER_MS, memory_size=budget)) as store:

        def save() -> None:
            for first in range(0, count, 1000):
                save_tags(store, first // 20_000, range(first, first + 1000))
            store._flush_all()

        _, kept = memory(save)
        assert store.has_tag("tag 12345")
        assert store.whole(Query().tagged("tag 12345")).events == 1
    assert kept <= budget + 120 * count


def test_caches_get_what_streams_leave(tmp_path: Path) -> None:
    """As there are more of them, caches shrink, until what is known of streams is paged."""
    budget, count = 8 << 20, 10_000
    directory = str(tmp_path)
    with contextlib.closing(NaiveEventStore(directory, NEVER_MS)) as store:
        for minute in range(50):
            save_lines(store, minute, 20_000)
    with contextlib.closing(NaiveEventStore(directory, NEVER_MS, memory_size=budget)) as store:
        cache, sizes, is_paged = store._state.lookup.cache, [], []
        for first in range(0, 8 * count, count):
            save_tags(store, first, range(first, first + count))
            store._flush_all()
            for minute in range(50):
                store.answer(Query().tagged("t"), name_of(minute)).read(0, 1 << 16)
            status = store.status()
            assert int(status["memory_used_bytes"]) <= budget
            sizes.append(cache.size)
            is_paged.append(int(status["memory_paged_bytes"]) > budget // 4)
    paged_at = is_paged.index(True)
    assert all(is_paged[paged_at:])
    assert sizes[0] > sizes[paged_at - 1]
    assert min(sizes) > budget // 4


def test_a_search_over_a_hot_minute(tmp_path: Path) -> None:
    """Events come out as they are read, a few at a time."""

    def measure(n: int) -> Cost:
        directory = tmp_path / str(n)
        with opened(directory) as store:
            save_lines(store, 0, n, 1000)
        with opened(directory) as store:
            store.whole(Query().within(1, TICKS_PER_S))  # what is in the minute is known
            cost = cost_of(lambda: next(store.search(0)))
            most, _ = memory(lambda: sum(1 for _ in store.search(0)))
            assert most <= (4 << 20) + 40 * n
            return only(cost, "read", "read bytes", "calls")

    assert_constant(measure, 10_000)


def test_a_wrong_length_digit(tmp_path: Path) -> None:
    """A record that claims to be larger than the file is found out without reading the file for it."""
    directory = tmp_path / "store"
    with opened(directory) as store:
        save_lines(store, 0, 20_000, 1000)
    path = directory / name_of(0)
    data = bytearray(path.read_bytes())
    first_line = data.index(b"\n")
    sizes = data[:first_line].split()[1:]
    header = int(sizes[1])
    data[:first_line] = b"event: %d %d %d" % (len(data) - 1000, header, len(data) - 1000 - header)
    path.write_bytes(data)

    def read() -> None:
        with opened(directory) as store:
            assert store.whole(Query()).events >= 19_999

    most, _ = memory(read)
    assert most < len(data) / 2


def test_check_has_a_bound(tmp_path: Path) -> None:
    """To find ids that are there twice takes no more memory than it may, however many events there are."""

    def measure(n: int) -> Cost:
        directory = tmp_path / str(n)
        directory.mkdir()
        write_minutes(directory, range(n), events=500)
        audit = Audit(str(directory), memory_size=256 << 10)
        most, _ = memory(lambda: list(audit.run()))
        return Counter({"most bytes": most})

    assert_constant(measure, 80)
