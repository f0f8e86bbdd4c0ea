"""The files of the index are torn, lost, garbled, or of different moments: every answer is right all the same.

SQLite opens them by itself, on a disk that forgets nothing, so they are changed here. Cases in which it shows the same
pages are tried once. A failure names the case, which is the same in every run.
"""

import contextlib
import hashlib
import logging
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from store import Event, EventStore, EventStoreException, NaiveEventStore
from store.engine.follower import FollowingStore
from store.engine.watcher import Watcher
from store.filenames import index_path
from tests.faults import FaultyDisk
from tests.test_index_fuzz import NEVER_MS, ROOT, asked_of, rebuilt
from tests.volatile import Fate

FILES = ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm")
SEED = 7


class Moment(NamedTuple):
    """A store at one moment: its disk, and the files of its index."""

    disk: FaultyDisk
    files: dict[str, bytes]


@pytest.fixture(scope="module", autouse=True)
def quietly() -> Iterator[None]:
    """Log nothing, for what goes wrong is meant to; notice no changes but when the store is opened."""
    logging.disable(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Watcher, "start", lambda _watcher: None)
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    """The life of a store whose streams come and go, so that their ids change hands: killed, and closed last."""
    disk = FaultyDisk(keeps_databases=True)
    moments: list[Moment] = []

    def keep() -> None:
        files = disk._databases.read().copy()
        moments.append(Moment(disk.after_a_power_cut(Fate("kept")), files))

    for session in range(4):
        with contextlib.closing(NaiveEventStore(ROOT, NEVER_MS, disk)) as store:
            for step in range(2):
                number = 2 * session + step
                store.save_all(
                    Event(f"{number} {n}", f"app{n % 3}", 60 * n + number, tags, f"content {n}" * n)
                    for n in range(8)
                    for tags in [["web"] if n % 2 else ["db", f"tag{number}"]]
                )
                if number:
                    for n in range(0, 8, 2):
                        store.delete(f"{number - 1} {n}")
                store.get(f"{number} 1")
                store._flush_all()
                keep()
        keep()
    return moments


class Cases:
    """Files of the index of the store at *moment*, instead of its own."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self._truth = rebuilt(moment.disk.after_a_power_cut(Fate("kept")))
        self._checked: set[bytes] = set()

    def check(self, files: dict[str, bytes], case: object) -> None:
        """Open the store with other index *files*, to write and to read, and compare with the truth."""
        shown = pages_of(files)
        if shown in self._checked:
            return
        for kind in (FollowingStore, NaiveEventStore):
            found = answers_of(self.moment, files, kind)
            wrong = [name for name in self._truth if not is_equal(found[name], self._truth[name])]
            assert wrong == [], (case, kind.__name__)
        self._checked.add(shown)


def pages_of(files: dict[str, bytes]) -> bytes:
    """Return a checksum of all that SQLite shows of the database *files*, opened to write and to read."""
    found = hashlib.sha256()
    for mode in ("rwc", "ro"):
        with TemporaryDirectory(dir="/dev/shm") as directory:
            write(Path(directory), files)
            uri = f"file:{directory}/{FILES[0]}?mode={mode}"
            try:
                with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
                    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                    try:
                        found.update(connection.serialize())
                    except sqlite3.Error:  # it shows some pages, and not others
                        found.update(repr(sorted(files.items())).encode())
            except sqlite3.Error as error:  # it shows nothing
                found.update(str(error).encode())
    return found.digest()


def answers_of(
    moment: Moment, files: dict[str, bytes], kind: Callable[..., EventStore]
) -> dict[str, object]:
    disk = moment.disk.after_a_power_cut(Fate("kept"))
    directory = Path(disk.database_path(index_path(ROOT))).parent
    for name in FILES:
        (directory / name).unlink(missing_ok=True)
    write(directory, files)
    return asked_of(disk, kind)


def write(directory: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (directory / name).write_bytes(data)


def is_equal(found: object, right: object) -> bool:
    return isinstance(found, EventStoreException) == isinstance(right, EventStoreException) and (
        isinstance(found, EventStoreException) or found == right
    )


@pytest.fixture(scope="module")
def closed(moments: list[Moment]) -> Cases:
    return Cases(moments[-1])


@pytest.fixture(scope="module")
def killed(moments: list[Moment]) -> Cases:
    return Cases(moments[-2])


@pytest.fixture(params=["closed", "killed"])
def cases(request: pytest.FixtureRequest) -> Cases:
    """Return the cases of the last moment, or of the one before."""
    found: Cases = request.getfixturevalue(request.param)
    return found


def test_a_file_is_torn(cases: Cases) -> None:
    """One of them ends early, anywhere."""
    files, choose = cases.moment.files, random.Random(SEED)
    for name, data in files.items():
        for _ in range(10):
            length = choose.choice(
                [choose.randrange(len(data)), choose.randrange(len(data)) & ~511]
            )
            cases.check(files | {name: data[:length]}, (name, length))


def test_a_file_is_garbled(cases: Cases) -> None:
    """Some bytes, a block, or a page of one of them are zeros, or anything."""
    files, choose = cases.moment.files, random.Random(SEED)
    for name, data in files.items():
        for _ in range(16):
            size = choose.choice([1, 16, 512, 8192])
            offset = choose.randrange(max(len(data) - size, 1)) // size * size
            other = choose.choice([bytes(size), choose.randbytes(size)])
            garbled = data[:offset] + other + data[offset + size :]
            cases.check(files | {name: garbled}, (name, offset, size, other[:1]))


def test_files_are_lost(killed: Cases) -> None:
    """Any of them."""
    files = killed.moment.files
    assert files.keys() == set(FILES)
    for lost in range(1, 1 << len(FILES)):
        kept = {name: files[name] for n, name in enumerate(FILES) if not lost >> n & 1}
        killed.check(kept, lost)


def test_files_are_of_different_moments(cases: Cases, moments: list[Moment]) -> None:
    """An older one with a newer one, as where writes reach the disk in any order."""
    choose = random.Random(SEED)
    for first, database in enumerate(moments):
        for second, log in enumerate(moments):
            if FILES[1] not in log.files or choose.random() < 0.6:
                continue
            third = choose.randrange(len(moments))
            files = {FILES[0]: database.files[FILES[0]], FILES[1]: log.files[FILES[1]]}
            shared = moments[third].files.get(FILES[2])
            if shared is not None:
                files[FILES[2]] = shared
            cases.check(files, (first, second, third))
