"""The cases of ``--store clickhouse``: a mount of ClickHouse on this machine, compared with one of minute files that has the same events."""

import itertools
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from engines.server import Server

from benchmark import mounts, work
from benchmark.answers import counted, timed
from benchmark.comparisons import Result, Rival, alone, compare
from benchmark.data import Data
from benchmark.events import RARE_EVENTS, Extent
from benchmark.scale import Scale
from benchmark.table import Measurement, Row, Target
from store import Batch
from store.backend import Opening
from store.clickhouse.address import parse_address
from store.clickhouse.backend import ClickHouseBackend
from store.clickhouse.columns import rows_of
from store.clickhouse.inserter import Inserter
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Wire
from store.format.block import read_block
from theiafs.lineviews import LINE_VIEWS

__all__ = ["ENGINE_CASES", "engine"]

_WRITE_SIZE = 128 << 10
"""The kernel passes this much of a write on at once, in bytes."""

_LOADED_SIZE = 8 << 20
_TIMEOUT_S = 60.0
_WRITERS = 16
_MOUNTS, _LINES_A_SECOND = 8, 1000
_TURNS_A_SECOND = 10
_STALENESS_MAX_S, _PARTS_MAX = 2.0, 300
_POLL_S = 0.01
_PARTS = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active"


class Engine:
    """A server with the events of the cases.

    Attributes:
        server: the server.
    """

    def __init__(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        self.server = Server(directory)
        self.server.start()
        self._names = (f"database_{number}" for number in itertools.count())

    def address(self, database: str) -> str:
        """Return the address of *database*."""
        return f"clickhouse://{self.server.host}/{database}"

    def empty(self) -> str:
        """Return the address of a new database with its tables."""
        address = self.address(next(self._names))
        ClickHouseBackend(address).open(Opening(measured_views=LINE_VIEWS)).close()
        return address

    def wire(self, address: str) -> Wire:
        """Return a connection to *address*."""
        return Wire(parse_address(address), "", _TIMEOUT_S)

    def filled(self, data: Data, extent: Extent) -> str:
        """Return the address of a database with the events of *extent*."""
        address = self.empty()
        insert = self.inserter(address)
        for batch in _batches(data.frames(extent), _LOADED_SIZE):
            insert(batch)
        return address

    def inserter(self, address: str) -> Callable[[Batch], None]:
        """Return a function that makes an INSERT of a batch into *address*, as a mount does."""
        inserter, numbers = Inserter(self.wire(address), Tables(), LINE_VIEWS), itertools.count()
        name = uuid.uuid4()
        return lambda batch: inserter.insert(
            rows_of([batch]), f"{name}-{next(numbers)}", time.monotonic() + _TIMEOUT_S
        )


@contextmanager
def engine(directory: Path) -> Iterator[Engine]:
    """Start a server whose data are in *directory*, for as long as the context lasts."""
    made = Engine(directory)
    try:
        yield made
    finally:
        made.server.stop()


def _batches(path: Path, size: int) -> Iterator[Batch]:
    """Yield the events of *path* in batches of about *size* bytes."""
    left, is_last = b"", False
    with path.open("rb") as file:
        while not is_last:
            piece = file.read(size)
            is_last, data = not piece, left + piece
            records = read_block(data)
            if not is_last:  # the closing of the last may be yet to come
                records = records.first(len(records.ends) - 1)
            batch = Batch()
            batch.add_block(data, records)
            left = data[int(records.ends[-1]) :] if len(batch) else data
            if len(batch):
                yield batch


def reading(made: Engine, data: Data, scale: Scale) -> Result:
    """Read one tag in several ways, and count what a pattern matches."""
    files, events = data.store(scale.day), made.filled(data, scale.day)
    rows: list[Row] = []
    for what, do, target, expected in (
        ("ls -l by-tag/web", _list_web, 1.0, scale.day.minutes),
        ("cat by-tag/web/events", work.web_events, 2.0, scale.day.web),
        ("cat by-tag/web/*", work.web_files, 1.5, scale.day.web),
        ("cat match/ERROR/count", _count_errors, 1.0, scale.day.errors),
    ):
        rival = Rival("the same on minute files", partial(work.on_mount, files, do), Target(target))
        rows += compare(
            what, scale.repetitions, partial(work.on_mount, events, do), [rival], expected
        )
    return Result(rows)


def _list_web(mountpoint: Path) -> Measurement:
    return counted(f"exec ls -l {mountpoint}/by-tag/web", lambda output: output.count(b"\n-r"))


def _count_errors(mountpoint: Path) -> Measurement:
    return counted(f"exec cat {mountpoint}/match/ERROR/count", int)


def rare(made: Engine, data: Data, scale: Scale) -> Result:
    """Read a tag that few of many events have."""
    address = made.filled(data, scale.large)
    do = partial(work.on_mount, address, work.rare_events)
    row = alone(
        f"cat by-tag/rare/events of {scale.large.total:,} events",
        scale.repetitions,
        do,
        RARE_EVENTS,
    )
    return Result([Row(row.what, "", row.ours, target=Target(0.1))])


def spooling(made: Engine, data: Data, scale: Scale) -> Result:
    """Append events that are acknowledged when the spool has them."""
    path = data.frames(scale.ingested)

    def run() -> Measurement:
        address, spool = made.empty(), data.fresh("spool")
        with mounts.mounted(address, f"spool={spool}") as mountpoint:
            seconds = work.append(mountpoint, path)
            return Measurement(seconds, int((mountpoint / "count").read_text()))

    row = alone(
        "cat day.frames >> ingest, -o spool=DIR", scale.repetitions, run, scale.ingested.total
    )
    return Result([Row(row.what, "", row.ours, target=Target(scale.ingested.total / 150_000))])


def appending(made: Engine, data: Data, scale: Scale) -> Result:
    """Append events, each write acknowledged when the engine has it; and insert the same pieces directly."""
    path = data.made(
        f"frames-{scale.ingested}-part", partial(_copy_part, data.frames(scale.ingested))
    )
    pieces = list(_batches(path, _WRITE_SIZE))
    total = sum(map(len, pieces))

    def run() -> Measurement:
        with mounts.mounted(made.empty()) as mountpoint:
            seconds = work.append(mountpoint, path)
            return Measurement(seconds, int((mountpoint / "count").read_text()))

    def run_directly() -> Measurement:
        insert = made.inserter(made.empty())
        began = time.perf_counter()
        for piece in pieces:
            insert(piece)
        return Measurement(time.perf_counter() - began, total)

    rival = Rival("INSERTs of 128 KiB", run_directly, Target(0.9, is_rate=True))
    return Result(
        compare(f"cat {total:,} frames >> ingest", scale.repetitions, run, [rival], total)
    )


def _copy_part(source: Path, path: Path) -> None:
    with source.open("rb") as file:
        data = file.read(256 * _WRITE_SIZE)
    path.write_bytes(data[: int(read_block(data).ends[-1])])


def echoing(made: Engine, _data: Data, scale: Scale) -> Result:
    """Append single lines from many shells, and insert them from as many clients."""
    times = scale.echoes // _WRITERS

    def run() -> Measurement:
        with mounts.mounted(made.empty()) as mountpoint:
            loop = f"for ((i = 0; i < {times}; i++)); do echo x >>{mountpoint}/ingest || exit; done"
            seconds = timed(f"for ((w = 0; w < {_WRITERS}; w++)); do ({loop}) & done; wait")
            return Measurement(seconds, int((mountpoint / "count").read_text()))

    def run_directly() -> Measurement:
        address = made.empty()

        def insert_lines() -> None:
            insert = made.inserter(address)
            for _ in range(times):
                batch = Batch()
                batch.add_line(b"x", time.time_ns() // 100, "bash", [])
                insert(batch)

        clients = [threading.Thread(target=insert_lines) for _ in range(_WRITERS)]
        began = time.perf_counter()
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        return Measurement(time.perf_counter() - began, times * _WRITERS)

    what = f"{times * _WRITERS:,} times echo x >> ingest, from {_WRITERS} shells"
    rival = Rival(f"{_WRITERS} clients that insert", run_directly, Target(0.8, is_rate=True))
    return Result(compare(what, scale.repetitions, run, [rival], times * _WRITERS))


def sharing(made: Engine, _data: Data, scale: Scale) -> Result:
    """Let several mounts append to one database; find out how late one of them is, and how many parts there are."""
    address, duration_s = made.empty(), 60 if scale.repetitions > 3 else 10
    lateness, parts = [], []
    with ExitStack() as stack:
        wire = stack.enter_context(closing(made.wire(address)))
        mountpoints = [stack.enter_context(mounts.mounted(address)) for _ in range(_MOUNTS)]
        with ThreadPoolExecutor(_MOUNTS) as pool:
            writers = [pool.submit(_append_lines, each, duration_s) for each in mountpoints]
            while not all(writer.done() for writer in writers):
                lateness.append(_lateness_s(mountpoints[-1], mountpoints[0]))
                parts.append(int(wire.fetch(_PARTS)))
        failed = sum(writer.exception() is not None for writer in writers)
        memory = max(map(mounts.memory_mib, mountpoints))
    return Result(
        [],
        (
            f"{_MOUNTS} mounts, {_LINES_A_SECOND:,} lines a second each, for {duration_s} s: {failed} failed;"
            f" shown by another mount after {max(lateness):.2f} s at most (to be below {_STALENESS_MAX_S:g});"
            f" {max(parts)} parts at most (to be below {_PARTS_MAX}); {memory:.0f} MiB of memory a mount at most",
        ),
    )


def _append_lines(mountpoint: Path, duration_s: int) -> None:
    """Append lines to *mountpoint* for *duration_s* seconds, as many a second as there are to be: some at each turn."""
    began, pause = time.monotonic(), threading.Event()
    lines = (b"x" * 30 + b"\n") * (_LINES_A_SECOND // _TURNS_A_SECOND)
    for turn in range(duration_s * _TURNS_A_SECOND):
        pause.wait(max(began + turn / _TURNS_A_SECOND - time.monotonic(), 0))
        with (mountpoint / "ingest").open("ab", buffering=0) as file:
            file.write(lines)


def _lateness_s(written: Path, seen: Path) -> float:
    """Append an event with a tag of its own to the mount *written*; return the seconds until the mount *seen* shows it.

    Raises:
        TimeoutError: if it does not.
    """
    tag = f"t{uuid.uuid4().hex}"
    door = written / "by-tag" / tag
    door.mkdir()
    (door / "ingest").write_bytes(b"x\n")
    began, pause = time.perf_counter(), threading.Event()
    while not _has_event(seen / "by-tag" / tag):
        if time.perf_counter() - began > _TIMEOUT_S:
            raise TimeoutError(f"{seen} does not show after {_TIMEOUT_S:g} s what {written} has")
        pause.wait(_POLL_S)
    return time.perf_counter() - began


def _has_event(directory: Path) -> bool:
    try:
        return int((directory / "count").read_text()) > 0
    except FileNotFoundError:  # the tag is not known there yet
        return False


ENGINE_CASES: dict[str, Callable[[Engine, Data, Scale], Result]] = {
    "reading": reading,
    "rare": rare,
    "spooling": spooling,
    "appending": appending,
    "echoing": echoing,
    "sharing": sharing,
}
