"""Many at once: a slow reader delays no other, and caches never lie."""

import os
import subprocess
import threading

from store import Event, EventSerializer
from tests.mount.conftest import Mount
from tests.waiting import eventually


def test_a_reader_that_stops_in_the_middle_blocks_no_other(mounted: Mount) -> None:
    """Other programs stat, list, append and read while it holds a large file open."""
    line = b"x" * 1000 + b"\n"
    (mounted.path / "ingest").write_bytes(line * 20_000)
    with (mounted.path / "events").open("rb", buffering=0) as slow:
        first = slow.read(1000)
        with subprocess.Popen(["cat", mounted.path / "events"], stdout=subprocess.PIPE) as stuck:
            try:
                mounted.shell(
                    "for i in $(seq 50); do echo hi >> ingest; cat count; ls -l minutes; done"
                )
                assert mounted.events("count") == b"20050\n"
            finally:
                stuck.kill()
        assert first + slow.read(1000) == mounted.events()[:2000]


def test_parallel_readers_all_see_the_same(mounted: Mount) -> None:
    """Threads of the filesystem do not mix up their answers."""
    mounted.shell(
        "mkdir by-tag/a by-tag/b; seq 2000 >> by-tag/a/ingest; seq 3000 >> by-tag/b/ingest"
    )
    expected = {
        name: mounted.events(name) for name in ("by-tag/a/events", "by-tag/b/events", "events")
    }
    wrong: list[str] = []

    def read(name: str) -> None:
        wrong.extend(name for _ in range(30) if mounted.events(name) != expected[name])

    threads = [threading.Thread(target=read, args=(name,)) for name in expected for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_settled_minute_that_grows_again_is_not_served_from_the_cache(mounted: Mount) -> None:
    """The kernel keeps the bytes of a minute that does not change; a late event is seen at the next opening."""
    serializer = EventSerializer()

    def save(number: int) -> None:
        event = Event(f"id{number}", "s", 10 + number / 1000, ["t"], f"event {number}")
        (mounted.path / "ingest").write_bytes(serializer.serialize(event))

    save(0)
    mounted.remount()  # what was there before counts as settled
    for number in range(1, 50):
        for name in ("minutes/10-70", "by-tag/t/10-70", "by-tag/t/events"):
            assert mounted.events(name).count(b"\nevent ") == number
        save(number)


def test_a_settled_file_can_be_mapped(mounted: Mount) -> None:
    """Programs that read by mmap(2) work on what does not change any more."""
    mounted.shell("seq 1000 >> ingest")
    mounted.remount()
    script = "import mmap,sys; f=open(sys.argv[1],'rb'); print(len(mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)[:]))"
    done = subprocess.run(
        ["python3", "-c", script, mounted.path / "latest"], capture_output=True, check=True
    )
    assert int(done.stdout) == len(mounted.events("latest"))


def test_a_relative_range_keeps_its_bytes_while_it_is_read(mounted: Mount) -> None:
    """An event that grows too old does not vanish from under a reader, and the size goes with the bytes."""
    mounted.shell("seq 100 >> ingest")
    path = mounted.path / "range" / "last-2s" / "events"
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        assert size == len(mounted.events())
        eventually(lambda: mounted.events("range/last-1s/count") == b"0\n")
        assert len(file.read()) == size == path.stat().st_size
        eventually(lambda: path.read_bytes() == b"")
    eventually(lambda: path.stat().st_size == 0)
