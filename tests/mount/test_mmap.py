"""Files can be mapped, shared and read-only, as readers in Java, Go and Python do, and the bytes are those that read(2) gives."""

import errno
import mmap
from pathlib import Path

import pytest

from tests.mount.conftest import Mount
from tests.waiting import eventually


def mapped(path: Path, flags: int = mmap.MAP_SHARED) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, flags, mmap.PROT_READ)


def can_be_mapped(path: Path) -> bool:
    """Return whether the file at *path* can be mapped; if not, it is for the reason that the README gives."""
    try:
        mapped(path).close()
    except OSError as error:
        if error.errno == errno.ENODEV:
            return False
        raise
    return True


def test_files_that_have_not_grown_for_two_seconds_are_mapped(mounted: Mount) -> None:
    """Others may be, or say ENODEV; what was mapped stays as it is while the file grows."""
    mounted.shell("mkdir by-tag/quiet by-tag/web; seq 3 >> by-tag/quiet/ingest")
    mounted.shell("seq 5000 >> by-tag/web/ingest")
    event_id = mounted.shell("grep -m1 ^id: events").strip().removeprefix("id:")
    minute = mounted.shell("ls minutes").split()[0]
    names = ["events", "events.log", "by-tag/quiet/events.jsonl", f"minutes/{minute}", f"by-tag/web/{minute}.log", f"by-id/{event_id}", "count", "README"]  # fmt: skip
    files = {name: mounted.path / name for name in names}
    assert bytes(mapped(files["events"], mmap.MAP_PRIVATE)) == mounted.events()
    for path in files.values():
        can_be_mapped(path)
        eventually(lambda path=path: can_be_mapped(path))  # type: ignore[misc]
    maps = {name: mapped(path) for name, path in files.items()}
    before = {name: mounted.events(name) for name in names}
    assert {name: bytes(each) for name, each in maps.items()} == before
    mounted.shell("seq 5000 >> by-tag/web/ingest")
    # It is none that grew.
    assert bytes(mapped(files["by-tag/quiet/events.jsonl"])) == before["by-tag/quiet/events.jsonl"]
    for name in set(names) - {"count"}:
        assert bytes(maps[name]) == before[name], name
    eventually(lambda: can_be_mapped(files["events"]))
    assert bytes(mapped(files["events"])) == mounted.events()
    assert len(mounted.events()) > len(before["events"])


def test_summaries_that_change_with_time_or_contents_are_not_mapped(mounted: Mount) -> None:
    """Their sizes are not known before they are read; a file that can be mapped has the size that stat(2) says."""
    mounted.shell("echo ERROR >> ingest")
    for name in ("status", "levels", "range/last-15m/count", "match/x/count"):
        path = mounted.path / name
        if path.stat().st_size and can_be_mapped(path):
            assert len(mapped(path)) == path.stat().st_size
    with pytest.raises(ValueError, match="empty"):
        mapped(mounted.path / "by-level/emerg/events")
