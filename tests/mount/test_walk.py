"""Every file of a mount has exactly the size that stat(2) tells, and the tree has an end."""

import itertools
import os
import threading
from pathlib import Path

from store import Event, EventSerializer
from tests.mount.conftest import Mount
from tests.waiting import eventually

TAGS = ["web", "db", "a/b", ".git", "100%", "größe", "\udcff", "x" * 300]


def fill(mount: Mount) -> None:
    serializer = EventSerializer()
    records = [
        serializer.serialize(
            Event(
                f"id{i}",
                "s",
                (i * 37) % 600 + i / 7,
                [TAGS[i % 8], TAGS[i * 3 % 7]] if i % 5 else [],
                f"e {i}\n" * (i % 9),
            )
        )
        for i in range(400)
    ]
    (mount.path / "ingest").write_bytes(b"".join(records))
    (mount.path / "ingest").write_bytes(b"".join(b"now %d\n" % i for i in range(50)))


def check_file(path: Path) -> None:
    if path.name == "status":
        # A flush changes its text, and the kernel remembers its size for a second.
        eventually(lambda: has_its_size(path))
    else:
        assert has_its_size(path), path


def has_its_size(path: Path) -> bool:
    with path.open("rb", buffering=0) as file:
        told = os.fstat(file.fileno())
        data = b""
        while chunk := file.read(1 << 16):
            data += chunk
    sizes = {told.st_size, path.stat().st_size, len(data)}
    return len(sizes) == 1 and told.st_blocks == -(-len(data) // 512)


def files(mount: Mount) -> list[Path]:
    """Return the paths of the files that are listed, ingest and links aside."""
    paths = [Path(top, name) for top, _, names in os.walk(mount.path) for name in names]
    return [path for path in paths if path.name != "ingest" and not path.is_symlink()]


def minutes_in(directory: Path) -> list[str]:
    return [name for name in os.listdir(directory) if not name.startswith(".")]


def query_directories(mount: Mount) -> list[Path]:
    ranges = [
        "0-300",
        "100.5-",
        "-19700101T000400Z",
        "..1970-01-01T00:04",
        "@100~2m",
        "2m",
        "newest-5m",
        "today",
        "1970",
        "1970-01-01T00",
        "1970-01-01T00:03",
        "last-15m",
        "last-9999d",
        "-",
    ]
    tags = [mount.path / "by-tag" / name for name in os.listdir(mount.path / "by-tag")]
    in_range = [mount.path / "range" / name for name in ranges]
    nested = [tag / "range" / name for tag in tags[:3] for name in ranges]
    return [
        *tags,
        *in_range,
        *nested,
        mount.path / "by-tag/web,db/range/0-300/by-tag/100%25",
        mount.path,
    ]


def test_every_file_has_its_size(mounted: Mount) -> None:
    """Those that are listed, and those that are only resolved, whatever the tags and ranges."""
    fill(mounted)
    listed = files(mounted)
    assert len(listed) > 80
    for path in listed:
        check_file(path)
    for directory in query_directories(mounted):
        names = [] if directory == mounted.path else minutes_in(directory)
        for name in [*names, "events", "count"]:
            check_file(directory / name)
        if names:
            parts = b"".join(sorted((directory / name).read_bytes() for name in names))
            assert len(parts) == (directory / "events").stat().st_size, directory
            assert mounted.events(str(directory / "count")) == b"%d\n" % len(
                mounted.contents(str(directory / "events"))
            )


def test_sizes_are_exact_before_and_after_a_restart(mounted: Mount) -> None:
    """The same files are there with the same bytes, but for the status, which is of one mount."""
    fill(mounted)

    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in files(mounted) if path.name != "status"}

    before = everything()
    mounted.remount()
    assert everything() == before


def test_a_file_that_grows_only_grows_at_its_end(mounted: Mount) -> None:
    """Readers see prefixes of what is there in the end, at least as long as stat said, while four others write."""
    fill(mounted)
    done = threading.Event()
    seen: list[tuple[int, bytes]] = []
    path = mounted.path / "by-tag" / "web" / "events"

    def watch() -> None:
        while not done.is_set():
            size = path.stat().st_size
            # Read once: a reader that reads on to the end may chase it until the writers are done.
            with path.open("rb", buffering=0) as file:
                seen.append((size, file.read(1 << 20)))

    def write(writer: int) -> None:
        serializer = EventSerializer()
        with (mounted.path / "by-tag/web/ingest").open("ab", buffering=0) as file:
            # However fast writing is, the watcher sees more than once what was written meanwhile.
            for i in itertools.takewhile(lambda i: i < 200 or len(seen) < 2, itertools.count()):
                late = Event(f"w{writer}-{i}", "s", (i * 31) % 600, ["web"], "late")
                file.write(serializer.serialize(late) if i % 3 else b"line\n")

    watcher = threading.Thread(target=watch)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in [watcher, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    watcher.join()
    whole = path.read_bytes()
    for size, data in seen:
        assert size <= len(data)
        assert whole.startswith(data)
