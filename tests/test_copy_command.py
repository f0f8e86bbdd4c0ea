"""``theiafs copy``: what it says, and what it refuses."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from store import Event, NaiveEventStore
from tests.contract_answers import mixed_events
from tests.copying import record_of, records_at
from tests.endings import end_process
from tests.waiting import eventually
from theiafs.cli import main

COMMAND = [sys.executable, "-m", "theiafs", "copy"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    with closing(NaiveEventStore(str(path), 1e9)) as store:
        store.save_all(mixed_events(0))
    return path


def test_it_says_what_it_has_done(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How much was copied, and how much of what was compared was there."""
    destination = tmp_path / "destination"
    size = sum(len(record_of(event)) for event in mixed_events(0))
    wanted = [
        ([], f"200 events copied ({size:,} bytes)"),
        ([], "0 events copied (0 bytes)"),
        (["--all"], "0 events copied (0 bytes), 200 there already"),
    ]
    for options, text in wanted:
        assert main(["copy", *options, str(source), str(destination)]) == 0
        assert capsys.readouterr() == (f"{destination}: {text}\n", "")
    with closing(NaiveEventStore(str(source), 1e9)) as store:
        store.save(Event("new", "s", 1_000_000))
    assert main(["copy", str(source), str(destination)]) == 0
    assert ": 1 event copied (" in capsys.readouterr().out
    assert records_at(destination) == records_at(source)


def test_what_is_not_flushed_is_copied(tmp_path: Path) -> None:
    """The process that had it open was killed: its log has it all."""
    source, destination = tmp_path / "source", tmp_path / "destination"
    store = NaiveEventStore(str(source), 1e9)
    store.save_all(mixed_events(0))
    end_process(store)
    assert main(["copy", str(source), str(destination)]) == 0
    assert sum(records_at(destination).values()) == 200


def test_what_is_refused(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A store that is none, is the same, or is in use; each in one line, and nothing is made or changed."""
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "file").write_text("")
    before = records_at(source)
    with closing(NaiveEventStore(str(tmp_path / "used"), 1e9)):
        cases: list[tuple[list[Path | str], str]] = [
            ([tmp_path / "none", tmp_path / "new"], "there is no store"),
            ([source, tmp_path / "link"], "are one store"),
            ([source, tmp_path / "file"], "is not a directory"),
            ([source, tmp_path / "used"], f"process {os.getpid()} holds"),
            (
                ["nothing://x", tmp_path / "new"],
                "no store has an address that begins with nothing://",
            ),
        ]
        for given, wanted in cases:
            assert main(["copy", *map(str, given)]) == 1
            out, err = capsys.readouterr()
            assert wanted in err
            assert (out, err.count("\n"), err.startswith("theiafs: ")) == ("", 1, True)
    assert not (tmp_path / "new").exists()
    assert records_at(source) == before


def size_of(directory: Path) -> int:
    """Return the size of all files below a directory, in bytes."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def test_a_copy_that_is_killed_again_and_again(tmp_path: Path) -> None:
    """It comes to its end, and the copy has each event once."""
    source, destination = tmp_path / "source", tmp_path / "destination"
    destination.mkdir()
    with closing(NaiveEventStore(str(source), 1e9)) as store:
        for minute in range(40):
            store.save_all(
                Event(f"{minute}-{number}", "s", minute * 60 + 1, ["t"], "x" * 300)
                for number in range(1000)
            )
    whole = size_of(source)
    for part in (0.1, 0.3, 0.6):
        process = subprocess.Popen([*COMMAND, str(source), str(destination)])
        eventually(lambda part=part: size_of(destination) > part * whole)  # type: ignore[misc]
        process.kill()
        process.wait()
    subprocess.run([*COMMAND, str(source), str(destination)], check=True)
    assert records_at(destination) == records_at(source)
    for path in source.iterdir():
        if path.is_file():
            assert (destination / path.name).read_bytes() == path.read_bytes()


def test_it_goes_on_until_it_is_interrupted(source: Path, tmp_path: Path) -> None:
    """With what is flushed to the source meanwhile."""
    destination = tmp_path / "destination"
    process = subprocess.Popen(
        [*COMMAND, "-f", str(source), str(destination)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    try:
        with closing(NaiveEventStore(str(source), 0)) as store:
            eventually(
                lambda: destination.exists() and records_at(destination) == records_at(source)
            )
            for number in range(3):
                store.save(Event(f"new{number}", "s", 1_000_000 + number))
                eventually(lambda: records_at(destination) == records_at(source))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130
    assert out.startswith(f"{destination}: 203 events copied (")
    assert err == (
        f"theiafs: interrupted; what was copied to {destination} stays: run theiafs copy again to go on\n"
    )
