"""Copying events into an ingest file of the same mount comes to an end."""

import subprocess
from collections.abc import Callable

import pytest

from tests.mount.conftest import Mount

EVENTS = 20_000
"""Enough that the first are appended before the last are read."""


@pytest.mark.parametrize(
    "command",
    [
        "cat by-tag/web/events >> by-tag/archive/ingest",
        "cat < by-tag/web/events >> by-tag/archive/ingest",
        "cat by-tag/web/events | cat >> by-tag/archive/ingest",
        "cp by-tag/web/events by-tag/archive/ingest",
        "dd if=by-tag/web/events of=by-tag/archive/ingest bs=64k conv=notrunc status=none",
    ],
)
def test_events_that_are_copied_get_one_more_tag(mounted: Mount, command: str) -> None:
    """The copies have both tags, so that their reader would find them, and never end."""
    mounted.shell(f"mkdir by-tag/web by-tag/archive; seq {EVENTS} >> by-tag/web/ingest")
    mounted.shell(command)
    assert mounted.shell("cat by-tag/web/count") == f"{2 * EVENTS}\n"
    assert mounted.shell("cat by-tag/archive/by-tag/web/count") == f"{EVENTS}\n"


def test_a_settled_file_is_copied(make_mount: Callable[..., Mount]) -> None:
    """A file that the kernel would cache ends, too, if a command of its pipeline appends."""
    mount = make_mount()
    mount.shell(f"mkdir by-tag/web by-tag/archive; seq {EVENTS} >> by-tag/web/ingest")
    mount.remount()
    mount.shell("cat by-tag/web/events >> by-tag/archive/ingest")
    assert mount.shell("cat by-tag/web/count") == f"{2 * EVENTS}\n"


def test_a_follower_goes_on_after_the_end(mounted: Mount) -> None:
    """A reader that comes back after the end finds what has arrived, again and again."""
    mounted.shell("mkdir by-tag/web; seq 1 1000 >> by-tag/web/ingest")
    with subprocess.Popen(
        ["tail", "-c", "+1", "-s", "0.05", "-f", "by-tag/web/events.log"],
        cwd=mounted.path,
        stdout=subprocess.PIPE,
    ) as tail:
        assert tail.stdout is not None
        try:
            for turn in range(1, 4):
                lines = [tail.stdout.readline() for _ in range(1000)]
                assert lines[-1].endswith(f"] {turn * 1000}\n".encode())
                mounted.shell(f"seq {turn * 1000 + 1} {turn * 1000 + 1000} >> by-tag/web/ingest")
        finally:
            tail.terminate()


def test_what_arrived_since_the_opening_is_read(mounted: Mount) -> None:
    """The end is where reading begins, not where the file was opened; a reader that comes back reads on."""
    mounted.shell("mkdir by-tag/web; echo first >> by-tag/web/ingest")
    with (mounted.path / "by-tag/web/events").open("rb", buffering=0) as file:
        mounted.shell("echo second >> by-tag/web/ingest")
        read = file.read(1 << 20)
        assert read is not None
        assert read.count(b"event: ") == 2
        mounted.shell("echo third >> by-tag/web/ingest")
        assert file.read(1 << 20) == b""
        again = file.read(1 << 20)
        assert again is not None
        assert again.count(b"event: ") == 1
