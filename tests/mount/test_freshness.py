"""An append shows at once in sizes and times, also of a file that something had asked for a moment before."""

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.mount.conftest import Mount
from tests.waiting import eventually

OPTIONS = "delete" if os.environ.get("THEIAFS_BINDING") == "mfusepy" else "delete,attr_timeout=0"
"""On libfuse 2, the kernel cannot be told that attributes are out of date."""

FILES = ("events", "events.log", "by-tag/web/events", "by-tag/web/events.jsonl", "by-tag/web/count")
TURNS = 12


@pytest.fixture
def fresh(make_mount: Callable[..., Mount]) -> Mount:
    mount = make_mount(OPTIONS)
    mount.shell("mkdir by-tag/web")
    return mount


def test_sizes_are_right_at_once(fresh: Mount) -> None:
    """Every file that has grown has its size, however often it is asked for."""
    for turn in range(TURNS):
        minutes = [
            f"{directory}/{name}"
            for directory in ("minutes", "by-tag/web")
            for name in os.listdir(fresh.path / directory)
            if name[0] != "."
        ]
        for path in (*FILES, *minutes):
            os.stat(fresh.path / path)
        fresh.shell(f"echo {turn * 7919} >> by-tag/web/ingest")
        for path in (*FILES, *minutes):
            size = os.stat(fresh.path / path).st_size
            assert len(fresh.events(path)) == size, path
        assert fresh.shell("tail -n 2 by-tag/web/events | head -n 1") == f"{turn * 7919}\n"


def test_a_refusal_shows_at_once(fresh: Mount) -> None:
    """In the size of errors, so that its last lines are the newest."""
    for turn in range(TURNS):
        os.stat(fresh.path / "errors")
        fresh.shell(f"cat range/2026-{turn + 13}/count", check=False)
        assert f"/range/2026-{turn + 13} " in fresh.shell("tail -n 2 errors | head -n 1")


@pytest.mark.parametrize("is_open", [False, True])
def test_a_removal_shows_at_once(fresh: Mount, is_open: bool) -> None:
    """In every file, and also when the removed one is open, so that libfuse renames it first."""
    for turn in range(TURNS):
        fresh.shell("echo kept >> by-tag/web/ingest; echo gone >> by-tag/web/ingest")
        ids = fresh.shell("grep -h ^id: by-tag/web/events | cut -c 4-").split()
        [gone] = set(ids[-2:]) - {ids[-2]}
        for path in FILES:
            os.stat(fresh.path / path)
        by_id = fresh.path / "by-id" / gone
        with by_id.open("rb") if is_open else contextlib.nullcontext():
            by_id.unlink()
            sizes = {path: os.stat(fresh.path / path).st_size for path in FILES}
        assert sizes == {path: len(fresh.events(path)) for path in FILES}
        assert fresh.shell("cat by-tag/web/count") == f"{turn + 1}\n"


def test_writers_and_readers_at_once(fresh: Mount) -> None:
    """The kernel holds no lock for one of them that another waits for: all come to their end, and all is right then."""
    fresh.shell("seq 20000 >> by-tag/web/ingest")
    paths = [fresh.path / each for each in FILES]
    is_over = threading.Event()

    def write() -> None:
        for number in range(50):
            with (fresh.path / "by-tag/web/ingest").open("ab") as file:
                file.write(b"line %d\n" % number)

    def read() -> None:
        while not is_over.is_set():
            for path in paths:
                path.stat()
                path.read_bytes()

    with ThreadPoolExecutor(6) as threads:
        readers = [threads.submit(read) for _ in range(3)]
        writers = [threads.submit(write) for _ in range(3)]
        for each in writers:
            each.result()
        is_over.set()
        for each in readers:
            each.result()
    # On a busy machine, a write may not wait until the kernel has heard of it.
    eventually(lambda: all(path.stat().st_size == len(path.read_bytes()) for path in paths))
    assert fresh.shell("cat by-tag/web/count") == "20150\n"
