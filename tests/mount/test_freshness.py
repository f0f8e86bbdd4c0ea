"""An append shows at once in sizes and times, also of a file that something had asked for a moment before."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.mount.conftest import Mount
from tests.waiting import eventually

OPTIONS = "" if os.environ.get("THEIAFS_BINDING") == "mfusepy" else "attr_timeout=0"
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
