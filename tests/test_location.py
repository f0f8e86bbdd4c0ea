"""Directories in a store: no command takes one for a store, nor the hidden directory."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from store import EventStoreException, NaiveEventStore, Opening, open_store
from tests.imports import events_in, import_into
from tests.test_import import dated, write
from theiafs.cli import main

LOG = dated(0, "x")

COMMANDS = {
    "mount": ["mount", "{place}", "{other}"],
    "mount -o ro": ["mount", "-o", "ro", "{place}", "{other}"],
    "import": ["import", "{place}", "{log}"],
    "import --dry-run": ["import", "--dry-run", "{place}", "{log}"],
    "backup from": ["backup", "{place}", "{other}"],
    "backup to": ["backup", "{apart}", "{place}"],
    "prune": ["prune", "--older", "1d", "{place}"],
    "ls": ["ls", "{place}"],
    "cat": ["cat", "{place}", "count"],
    "check": ["check", "{place}"],
    "check --repair": ["check", "--repair", "{place}"],
    "reindex": ["reindex", "{place}"],
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with an event, in which a user has made a directory."""
    path = tmp_path / "events"
    import_into(path, write(tmp_path / "app.log", LOG))
    (path / "made" / "deep").mkdir(parents=True)
    return path


def names_in(path: Path) -> set[str]:
    """Return what is below a directory, but for files that SQLite makes while it reads."""
    found = {str(each.relative_to(path)) for each in path.rglob("*")}
    return {each for each in found if not each.endswith(("-wal", "-shm", "-journal"))}


@pytest.mark.parametrize("name", [".theiafs", ".theiafs/journal", "made", "made/deep"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_it(
    store: Path, tmp_path: Path, command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line that names the store, also by a link to it; nothing is made there."""
    import_into(tmp_path / "apart", tmp_path / "app.log")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(store)
    before = names_in(store)
    for place in (store / name, tmp_path / "link" / name):
        words = [
            word.format(
                place=place,
                other=tmp_path / "other",
                apart=tmp_path / "apart",
                log=tmp_path / "app.log",
            )
            for word in COMMANDS[command]
        ]
        capsys.readouterr()
        assert main(words) in (1, 2)
        errors = [line for line in capsys.readouterr().err.splitlines() if "theiafs: " in line]
        assert len(errors) == 1
        assert f" is in the store {store}, and no store itself: give {store}, or " in errors[0]
    assert names_in(store) == before
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize(
    "make", [NaiveEventStore, open_store, lambda path: open_store(path, Opening(is_read_only=True))]
)
def test_the_library_refuses_it_too(store: Path, make: Callable[[str], object]) -> None:
    with pytest.raises(EventStoreException, match="is in the store"):
        make(str(store / "made"))


def test_a_store_stays_one_when_another_is_made_around_it(tmp_path: Path) -> None:
    """Its events must not become unreachable."""
    log = write(tmp_path / "app.log", LOG)
    import_into(tmp_path / "all" / "web", log)
    import_into(tmp_path / "all", log)
    assert import_into(tmp_path / "all" / "web", log).status == 0
    assert [event.content for event in events_in(tmp_path / "all" / "web")] == [LOG]


def test_a_link_in_a_store_leads_out_of_it(store: Path, tmp_path: Path) -> None:
    """So that what it leads to may be a store."""
    (tmp_path / "other").mkdir()
    (store / "link").symlink_to(tmp_path / "other")
    log = write(tmp_path / "app.log", LOG)
    assert import_into(store / "link", log).status == 0
    assert [event.content for event in events_in(tmp_path / "other")] == [LOG]


def plant_file(path: Path) -> None:
    path.touch()


def plant_directory(path: Path) -> None:
    path.mkdir()


def plant_link(path: Path) -> None:
    path.symlink_to("/nowhere")


def plant_link_to_a_store(path: Path) -> None:
    import_into(path.parent.parent / "real", write(path.parent.parent / "app.log", LOG))
    path.symlink_to(path.parent.parent / "real" / ".theiafs")


def plant_store_of_another_user(path: Path) -> None:
    path.mkdir()
    (path / "lock").touch()
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    "plant",
    [
        plant_file,
        plant_directory,
        plant_link,
        plant_link_to_a_store,
        plant_store_of_another_user,
    ],
)
def test_what_others_put_above_a_store_makes_nothing_of_it(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    """As any user can in /tmp."""
    above = tmp_path / "above"
    above.mkdir()
    plant(above / ".theiafs")
    log = write(tmp_path / "app.log", LOG)
    assert import_into(above / "events", log).status == 0
    assert [event.content for event in events_in(above / "events")] == [LOG]


def test_minute_files_are_a_store_wherever_they_are(store: Path) -> None:
    """As theia has made them: of nothing else."""
    (store / "made" / "60-120").write_bytes(b"")
    assert import_into(store / "made", store.parent / "app.log").status == 0


def test_an_empty_address_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """As of a variable that is not set: it is not the working directory."""
    assert main(["check", ""]) == 2
    assert "no store has the address ''" in capsys.readouterr().err
