"""Small minute files that are scanned together."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from store import Event, EventSerializer
from store.disk.disk import Disk
from store.engine import scanner as module
from store.engine.scan_workers import ScanWorkers
from store.engine.scanner import Scanned, Scanner
from store.format.block import RecordBlock, read_block
from store.index.minute import EntryColumns
from tests.counting import disk_operations


class Keys:
    """Ids of stream keys, in the order in which they are asked for."""

    def __init__(self) -> None:
        self.ids: dict[bytes, int] = {}

    def ids_of(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        return np.array([self.ids.setdefault(key, len(self.ids) + 1) for key in keys], np.int64)


def record(number: int, content: str = "content") -> bytes:
    event = Event(f"id{number}", f"source{number % 3}", float(number), ["t"], content)
    return EventSerializer().serialize(event) + b"\n"


def facts(scanned: Scanned | None, keys: Keys) -> object:
    """Return all that a scan found, with keys in place of ids."""
    if scanned is None:
        return None
    names = {number: key for key, number in keys.ids.items()}
    columns = scanned.entries.columns(0, len(scanned.entries))
    streams = [names.get(each) for each in columns.streams.tolist()]
    return scanned.stat, scanned.checksum, streams, columns.sizes.tolist(), columns.ticks.tolist()


records = st.integers(0, 99).map(record)
pieces = records | st.sampled_from(
    [
        b"\n", b"x\n", b"event: 1 2", record(7)[:-1], record(7)[:-2], record(7)[:20], record(7)[20:], record(7)[1:],
        record(8, "a\n\nevent: 3 2 1\n"), record(9, "ü" * 9000), record(5).replace(b"id5", b"\xff"),
    ]
)  # fmt: skip
files = st.lists(st.lists(pieces, max_size=5).map(b"".join), max_size=6)


@pytest.fixture(scope="module", params=["few", "many"])
def few_files_or_many(request: pytest.FixtureRequest) -> Iterator[None]:
    """Scan small files as when they are few, or as when they are many, together."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        if request.param == "many":
            monkeypatch.setattr(module, "_TOGETHER_SIZE_MIN", 0)
        yield


@pytest.mark.usefixtures("few_files_or_many")
@settings(deadline=None, max_examples=150)
@given(files)
@example([record(1), record(2)[:-1], b"\n" + record(3)])
@example([record(1)[:30], record(1)[30:], record(2)])
@example([record(1), b"", record(2) * 3])
def test_each_is_scanned_as_if_alone(contents: list[bytes]) -> None:
    """Whatever one of them holds, and wherever it ends."""
    with TemporaryDirectory() as directory:
        names = [f"{60 * each}-{60 * each + 60}" for each in range(len(contents))]
        for name, content in zip(names, contents, strict=True):
            Path(directory, name).write_bytes(content)
        together, alone = Keys(), Keys()
        found = list(Scanner(directory, Disk(), together.ids_of).scan_all([*names, "9000-9060"]))
        one_by_one = Scanner(directory, Disk(), alone.ids_of)
        expected = [facts(one_by_one.scan(name), alone) for name in [*names, "9000-9060"]]
        assert [facts(each, together) for each in found] == expected


@pytest.mark.parametrize("damaged", [[], [0], [50], [63], [10, 11, 40], list(range(128))])
def test_small_files_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: list[int]
) -> None:
    """Those that are damaged are parsed one by one, and few of the others with them."""
    names = [f"{60 * each}-{60 * each + 60}" for each in range(2 * module._TOGETHER)]
    for number, name in enumerate(names):
        data = b"".join(record(each) for each in range(number, number + 10))
        (tmp_path / name).write_bytes(data[: -5 if number in damaged else None])
    scanner = Scanner(str(tmp_path), Disk(), Keys().ids_of)
    parsed: list[int] = []
    alone: list[str] = []
    entries_of = scanner.entries_of

    def parse(data: bytes) -> RecordBlock:
        parsed.append(len(data))
        return read_block(data)

    def entries_alone(
        name: str, read: Callable[[int, int], bytes], size: int
    ) -> Iterator[EntryColumns]:
        alone.append(name)
        return entries_of(name, read, size)

    monkeypatch.setattr(module, "read_block", parse)
    monkeypatch.setattr(scanner, "entries_of", entries_alone)
    with disk_operations() as cost:
        scanned = list(scanner.scan_all(names))
    assert [len(each.entries) for each in scanned if each is not None] == [10] * len(names)
    assert cost["open"] == len(names)
    assert {names[each] for each in damaged} <= set(alone)
    # Every second of neighbours is tried with the others in vain.
    assert len(alone) <= len(damaged) + (len(damaged) > 1)
    assert sum(parsed) <= 2 * sum((tmp_path / name).stat().st_size for name in names)


def test_workers_find_the_same(tmp_path: Path) -> None:
    """In several processes: streams, damage, files that are empty or gone, and more of them than are scanned at once."""
    names = [f"{60 * each}-{60 * each + 60}" for each in range(700)]
    for number, name in enumerate(names):
        if number % 50 == 7:
            continue
        data = b"".join(record(each) for each in range(number, number + number % 4))
        (tmp_path / name).write_bytes(data[:-5] if number % 30 == 3 else data)
    one_by_one, together = Keys(), Keys()
    scanner = Scanner(str(tmp_path), Disk(), one_by_one.ids_of)
    expected = [facts(scanner.scan(name), one_by_one) for name in names]
    with ScanWorkers(str(tmp_path), 2) as workers:
        found = list(workers.scan_all(names, [200] * len(names), together.ids_of))
    assert [facts(each, together) for each in found] == expected
    assert None in expected
