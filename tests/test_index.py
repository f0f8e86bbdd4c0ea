"""The index says what the minute files say, whatever happened to either of them since."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import Answer, Event, EventStore, NaiveEventStore, Query, StoreLocked, reindex
from store.disk.disk import Disk
from store.engine import scanner as scanner_module
from store.engine.follower import FollowingStore
from store.engine.scanner import Scanner
from store.errors import EventReadException
from store.format.record import CLOSING
from store.index import tables as tables_module
from store.index.summary import checksum_of
from store.ticks import TICKS_PER_S
from tests.endings import end_process

NEVER_MS = 1e9
QUERIES = [
    Query(),
    Query().tagged("web"),
    Query().tagged("db", "rare"),
    Query().tagged("web").tagged("db"),
    Query().within(30 * TICKS_PER_S, 130 * TICKS_PER_S),
    Query().tagged("web").within(65 * TICKS_PER_S, 10**12 * TICKS_PER_S // 10),
    Query().tagged("never"),
]
OLD_NS = 10**18


def events(first: int, last: int) -> list[Event]:
    tags = [["web"], ["db", "web"], [], ["db"], ["web", "rare"]]
    return [
        Event(f"id{n}", f"app{n % 3}", 7.5 * n, tags[n % len(tags)], f"content {n}")
        for n in range(first, last)
    ]


def looks(store: EventStore, in_order: bool = True) -> list[object]:
    """Everything that the filesystem may show of it, perhaps in another order of arrival."""
    shown: list[object] = [store.tags(), list(store.search(0)), store.latest()]
    for query in QUERIES:
        answer = store.answer(query)
        shown += [
            [span._replace(changed=0) for span in store.snapshot(query).spans],
            store.whole(query)._replace(changed=0),
            list(store.minutes(query)),
            store.tags(query),
            answer.read(0, answer.size()) if in_order else in_no_order(answer),
            [store.answer(query, name).read(0, 1 << 20) for name in store.minutes(query)],
        ]
    return shown


def in_no_order(answer: Answer) -> list[bytes]:
    return sorted(answer.read(0, answer.size()).split(b"\n"))


def expected(root: Path, in_order: bool = True) -> list[object]:
    """Return all that a store with the files of *root* shows without an index."""
    with TemporaryDirectory() as copy:
        for path in root.iterdir():
            if path.is_file():
                shutil.copy2(path, copy)
        follower = FollowingStore(copy, NEVER_MS)
        shown = looks(follower, in_order)
        follower.close()
    return shown


def opened(root: Path, disk: Disk | None = None) -> list[object]:
    """Open the store in *root* to write, and return all that it shows."""
    store = NaiveEventStore(str(root), NEVER_MS, disk)
    shown = looks(store)
    store.close()
    return shown


def settle(root: Path) -> None:
    """Date the files in *root* in the past, so that none is rescanned because it is recent."""
    for number, path in enumerate(sorted(root.iterdir())):
        if path.is_file():
            os.utime(path, ns=(OLD_NS, OLD_NS + number))


def index_of(root: Path) -> Path:
    return root / ".theiafs" / "index.sqlite"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with a few minutes that was closed in order."""
    store = NaiveEventStore(str(tmp_path / "store"), NEVER_MS)
    store.save_all(events(0, 60))
    store.close()
    return tmp_path / "store"


@pytest.fixture
def no_scanning(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_args: object) -> None:
        raise AssertionError("a minute file was read to find out what is in it")

    with monkeypatch.context() as patch:
        patch.setattr(scanner_module, "build_entries", refuse)
        yield


@pytest.mark.usefixtures("no_scanning")
def test_nothing_is_read_that_is_known(root: Path) -> None:
    """Opening a store and listing and reading all of it scans no minute file."""
    store = NaiveEventStore(str(root), NEVER_MS)
    assert store.whole(Query()).events == 60
    looks(store)
    store.save_all(events(60, 80))
    store.close()
    again = NaiveEventStore(str(root), NEVER_MS)
    assert again.whole(Query()).events == 80
    looks(again)
    again.close()


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(path.read_bytes())


def change_in_place(path: Path) -> None:
    """The size stays."""
    path.write_bytes(path.read_bytes().replace(b"tags:web", b"tags:wob").replace(b"app1", b"app9"))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes().replace(b"tags:db", b"tags:rare"))
    other.rename(path)


def damage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:80] + data[89:])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def add(path: Path) -> None:
    shutil.copy(path, path.with_name("7000-7060"))


CHANGES = [append, change_in_place, replace, damage, empty, remove, add]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["0-60", "180-240"])
def test_a_minute_that_changed_while_the_store_was_closed(
    root: Path, name: str, change: Callable[[Path], None]
) -> None:
    """It is noticed when the store is opened."""
    change(root / name)
    assert opened(root) == expected(root)
    assert opened(root) == expected(root)


@pytest.mark.parametrize("change", CHANGES)
def test_a_minute_that_changes_while_the_store_is_open(
    root: Path, change: Callable[[Path], None]
) -> None:
    """A change of the minute is noticed when it is next read, others at the next scan."""
    store = NaiveEventStore(str(root), NEVER_MS)
    looks(store)
    change(root / "180-240")
    names = [*store.minutes(Query()), "7000-7060"]
    store._watcher.look()
    for name in names:
        store.span(Query(), name)
    store._watcher.look()
    # What changed counts as having arrived just now.
    assert looks(store, in_order=False) == expected(root, in_order=False)
    store.save(Event("late", "s", 185, ["web"], "after it"))
    store.close()
    assert opened(root) == expected(root)


def test_an_open_file_is_never_given_other_bytes(root: Path) -> None:
    """A reader of a minute that changed gets an error, not bytes of the new version."""
    store = NaiveEventStore(str(root), NEVER_MS)
    answer = store.answer(Query(), "180-240")
    begin = answer.read(0, 100)
    replace(root / "180-240")
    store.span(Query(), "180-240")
    with pytest.raises(EventReadException):
        answer.read(100, 100)
    assert begin
    store.close()


def test_an_index_that_is_lost(root: Path) -> None:
    """It is rebuilt, and progress is reported."""
    wanted = expected(root)
    index_of(root).unlink()
    told: list[tuple[int, int]] = []
    store = NaiveEventStore(
        str(root), NEVER_MS, progress=lambda done, total: told.append((done, total))
    )
    count = len(list(store.minutes(Query())))
    assert told == [(done, count) for done in range(1, count + 1)]
    assert looks(store) == wanted
    store.close()
    assert index_of(root).exists()


class Closed(NamedTuple):
    """A store that was closed in order: its directory, its index, and what it shows."""

    root: Path
    database: bytes
    shown: list[object]


@pytest.fixture(scope="module")
def closed() -> Iterator[Closed]:
    """A store whose minute files stay as they are."""
    with TemporaryDirectory() as directory:
        store = NaiveEventStore(directory, NEVER_MS)
        store.save_all(events(0, 60))
        store.close()
        root = Path(directory)
        yield Closed(root, index_of(root).read_bytes(), expected(root))


@settings(max_examples=60, deadline=None)
@given(
    damages=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), max_size=5),
    data=st.data(),
)
def test_an_index_that_is_corrupt(
    closed: Closed, damages: list[tuple[float, bytes]], data: st.DataObject
) -> None:
    """Whatever is overwritten or cut off, what is shown is what is in the minute files."""
    content = bytearray(closed.database)
    for place, other in damages:
        start = int(place * len(content))
        content[start : start + len(other)] = other
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    assert not list(index_of(closed.root).parent.glob("index.sqlite-[!c]*"))
    index_of(closed.root).write_bytes(bytes(content))
    assert opened(closed.root) == closed.shown
    assert opened(closed.root) == closed.shown


def test_an_index_that_others_keep_from_being_written(root: Path) -> None:
    """Rows that could not be deleted are deleted by the next write, and do not count until then."""
    store = NaiveEventStore(str(root), NEVER_MS)
    name = next(iter(store.minutes(Query())))
    path = root / name
    with sqlite3.connect(index_of(root)) as other:
        other.execute("BEGIN EXCLUSIVE")
        path.write_bytes(b"")
        settle(root)
        assert store.span(Query(), name) is not None
        other.rollback()
    store.save(Event("new", "s", float(name.partition("-")[0]), ["web"], "new"))
    store._flush_all()
    store.close()
    with sqlite3.connect(index_of(root)) as connection:
        [(rows, spans)] = connection.execute(
            "SELECT count(*), count(DISTINCT substr(row, 9, 8)) FROM minutes"
        )
    assert rows == spans
    assert opened(root) == expected(root)


def test_an_index_with_a_minute_twice(root: Path) -> None:
    """It is rebuilt."""
    wanted = expected(root)
    with sqlite3.connect(index_of(root)) as connection:
        [(row, summary, layout, ticks)] = connection.execute(
            "SELECT row, summary, layout, ticks FROM minutes NATURAL JOIN entries WHERE id = 1"
        )
        twin = (1001).to_bytes(8, "little") + row[8:]
        checksum = checksum_of(twin, summary)
        connection.execute("INSERT INTO minutes VALUES (1001, ?, ?, ?)", (twin, summary, checksum))
        connection.execute("INSERT INTO entries VALUES (1001, ?, ?)", (layout, ticks))
        connection.execute("DELETE FROM snapshot")
    connection.close()
    assert opened(root) == wanted


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(4096)])
def test_an_index_that_is_something_else(root: Path, content: bytes) -> None:
    wanted = expected(root)
    index_of(root).write_bytes(content)
    assert opened(root) == wanted
    [(version,)] = sqlite3.connect(index_of(root)).execute("SELECT version FROM state")
    assert version == tables_module.VERSION


def test_an_index_of_another_version(root: Path) -> None:
    wanted = expected(root)
    with sqlite3.connect(index_of(root)) as connection:
        connection.execute("UPDATE state SET version = 99")
        connection.execute("DELETE FROM minutes")
    connection.close()
    assert opened(root) == wanted


def test_no_index_can_be_made(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Everything works without, and the log says why it is slow."""
    wanted = expected(root)
    index_of(root).unlink()
    index_of(root).mkdir()
    assert opened(root) == wanted
    assert "index.sqlite" in caplog.text
    store = NaiveEventStore(str(root), 0)
    store.save_all(events(60, 70))
    assert looks(store) == expected(root)
    store.close()


def test_a_store_that_was_not_closed(tmp_path: Path, root: Path) -> None:
    """As a kill leaves it: the log has what the files lack, and the index may be older than the files."""
    store = NaiveEventStore(str(root), NEVER_MS)
    store.save_all(events(60, 65))
    store._flush_all()
    store.save_all(events(65, 75))
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copy2)
    wanted = looks(store, in_order=False)
    again = NaiveEventStore(str(copy), NEVER_MS)
    assert looks(again, in_order=False) == wanted
    again.close()
    assert opened(copy) == expected(copy)
    store.close()


def test_only_what_was_lost_is_read_after_a_kill(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is in the index."""
    store = NaiveEventStore(str(root), NEVER_MS)
    store.save(Event("flushed", "s", 100, ["web"], "x"))
    store._flush_all()
    store.save(Event("not flushed", "s", 200, ["web"], "x"))
    end_process(store)
    scanned: list[str] = []
    scan = Scanner.scan

    def note(self: Scanner, name: str) -> object:
        scanned.append(name)
        return scan(self, name)

    monkeypatch.setattr(Scanner, "scan", note)
    again = NaiveEventStore(str(root), NEVER_MS)
    assert len(list(again.minutes(Query()))) > 3
    assert scanned == []
    again.close()


def test_a_file_that_changed_recently_is_rescanned(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may change once more without a later time to show it."""
    path = root / "7000-7060"
    shutil.copy(root / "0-60", path)
    assert opened(root) == expected(root)
    times = path.stat()
    change_in_place(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert opened(root) == expected(root)


def test_our_own_files_show_every_change(tmp_path: Path) -> None:
    """The system's clock for files stands still for milliseconds; ours are dated more exactly."""
    store = NaiveEventStore(str(tmp_path), 0)
    for number in range(50):
        store.save(Event(f"id{number}", "s", 10, ["web"], f"content {number:2}"))
        path = tmp_path / "10-70"
        before = path.stat().st_mtime_ns
        with path.open("r+b") as file:
            file.write(b"event")
        assert path.stat().st_mtime_ns != before
        assert store.whole(Query()).events == number + 1
        store.span(Query(), "10-70")
    store.close()


@pytest.mark.parametrize("process_count", [0, 2])
def test_reindexing(root: Path, process_count: int) -> None:
    """It rebuilds the index, and only of a store that is not open."""
    wanted = expected(root)
    settle(root)
    with sqlite3.connect(index_of(root)) as connection:
        connection.execute("UPDATE snapshot SET checksum = 77")
    connection.close()
    told: list[tuple[int, int]] = []
    count = reindex(str(root), lambda done, total: told.append((done, total)), process_count)
    assert told[-1] == (count, count)
    assert opened(root) == wanted
    store = NaiveEventStore(str(root), NEVER_MS)
    with pytest.raises(StoreLocked):
        reindex(str(root))
    store.close()
    with pytest.raises(EventReadException):
        reindex(str(root / "nothing"))
    assert not (root / "nothing").exists()


def test_the_records_it_counts_are_the_records_there_are(root: Path) -> None:
    """Against the bytes themselves."""
    store = NaiveEventStore(str(root), NEVER_MS)
    data = b"".join((root / name).read_bytes() for name in store.minutes(Query()))
    web = [part + CLOSING for part in data.split(b"\n\n")[:-1] if b"web" in part.split(b"\n")[4]]
    assert store.whole(Query().tagged("web")).events == len(web)
    assert store.answer(Query().tagged("web")).read(0, 1 << 20) == b"".join(
        part + b"\n" for part in web
    )
    store.close()
