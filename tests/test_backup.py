"""``theiafs backup``: a backup has all that was saved before it began, once, and is a store at any instant."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import (
    Audit,
    Backup,
    EventReadException,
    EventStoreException,
    NaiveEventStore,
    Opening,
    Query,
    StoreFull,
    open_store,
)
from store.disk.disk import Disk
from store.disk.file import WritableFile
from tests.backups import counts, event, ids, make_store, run
from tests.endings import end_process
from tests.faults import Fate, FaultyDisk
from tests.survivors import NEVER_MS, check_minute_files
from tests.test_copies import Writers, check
from theiafs import cli


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    """Yield an open store in ``store``."""
    with contextlib.closing(make_store(tmp_path / "store")) as opened:
        yield opened


def test_while_writers_write(tmp_path: Path) -> None:
    """Each of several backups to one directory has what was durable when it began; so has a copy of it."""
    writers = Writers(tmp_path / "store")
    made: dict[Path, set[str]] = {}
    try:
        for _ in range(2):
            before = writers.wait_for(100)
            run(tmp_path / "store", tmp_path / "backup")
            target = tmp_path / f"copy-{len(made)}"
            shutil.copytree(tmp_path / "backup", target, symlinks=True)
            made[target] = before
    finally:
        writers.close()
    for target, before in made.items():
        check(target, writers, before)


def test_the_files_have_what_is_only_in_the_log(store: NaiveEventStore, tmp_path: Path) -> None:
    """A backup needs no log; the store is not touched."""
    before = {path: path.read_bytes() for path in (tmp_path / "store").iterdir() if path.is_file()}
    run(tmp_path / "store", tmp_path / "backup")
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "backup/.theiafs/journal").exists()
    assert [str(finding) for finding in Audit(str(tmp_path / "backup")).run()] == []
    there = {
        path.name: path.read_bytes() for path in (tmp_path / "backup").iterdir() if path.is_file()
    }
    store._flush_all()
    flushed = {
        path.name: path.read_bytes() for path in (tmp_path / "store").iterdir() if path.is_file()
    }
    assert there == flushed
    assert len(there) == 3


def test_a_store_that_was_killed(tmp_path: Path) -> None:
    """Its log is read as it was left."""
    killed = NaiveEventStore(str(tmp_path / "store"), NEVER_MS)
    killed.save_all([event(0), event(1)])
    end_process(killed)
    run(tmp_path / "store", tmp_path / "backup")
    assert ids(tmp_path / "backup") == ["0-0", "0-1"]


def test_only_what_has_changed_is_copied(store: NaiveEventStore, tmp_path: Path) -> None:
    """By size and mtime, which copies keep; those that were completed from the log are copied once more."""
    source, target = tmp_path / "store", tmp_path / "backup"
    assert counts(run(source, target)) == (3, 0, 0)
    store._flush_all()
    assert counts(run(source, target)) == (2, 1, 0)
    assert counts(run(source, target)) == (0, 3, 0)
    for path in source.glob("*-*"):
        assert path.stat().st_mtime_ns == (target / path.name).stat().st_mtime_ns
        assert path.stat().st_mode == (target / path.name).stat().st_mode
    store.save(event(7))
    store._flush_all()
    assert counts(run(source, target)) == (1, 2, 0)
    (target / "60-120").unlink()
    assert counts(run(source, target)) == (1, 2, 0)


def test_minutes_that_the_store_has_no_more(store: NaiveEventStore, tmp_path: Path) -> None:
    """They stay, in case they were removed by mistake, unless they are to go; an event that was deleted goes."""
    source, target = tmp_path / "store", tmp_path / "backup"
    store.declare_tag("declared")
    store.save_view("old", "../by-tag/t")
    store.save_view("changed", "../by-tag/t")
    run(source, target)
    store.remove_minute("60-120")
    store.delete("0-3")
    for name in ("old", "changed"):
        store.remove_view(name)
    store.save_view("changed", "../by-tag/u")
    run(source, target)
    opened = NaiveEventStore(str(target), NEVER_MS)
    assert len(opened.snapshot(Query()).spans) == 3
    assert opened.views() == {"old": "../by-tag/t", "changed": "../by-tag/u"}
    assert opened.tags() == {"declared", "t"}
    opened.close()
    assert counts(run(source, target, deletes=True))[2] == 1
    assert ids(target) == ["0-0", "0-1", "0-2", "0-4", "2-0"]
    opened = NaiveEventStore(str(target), NEVER_MS)
    assert opened.views() == {"changed": "../by-tag/u"}
    opened.close()


def test_all_that_is_not_derived_is_copied(store: NaiveEventStore, tmp_path: Path) -> None:
    """Declared tags and sources, saved views, states, and the quarantine."""
    store.declare_tag("a/b" * 100)
    store.declare_source("declared")
    store.save_view("v", "../by-tag/t")
    store.write_state("errors", b"line\n")
    (tmp_path / "store/.theiafs/quarantine").mkdir()
    (tmp_path / "store/.theiafs/quarantine/0-60.0123abcd").write_bytes(b"damage")
    run(tmp_path / "store", tmp_path / "backup")
    opened = NaiveEventStore(str(tmp_path / "backup"), NEVER_MS)
    assert "a/b" * 100 in opened.tags()
    assert opened.sources() == {"s", "declared"}
    assert opened.views() == {"v": "../by-tag/t"}
    assert opened.read_state("errors") == b"line\n"
    opened.close()
    assert (tmp_path / "backup/.theiafs/quarantine/0-60.0123abcd").read_bytes() == b"damage"


def test_declared_names_that_were_taken_back(store: NaiveEventStore, tmp_path: Path) -> None:
    """They stay in the backup, unless it is to have no more than the store."""
    for declare in (store.declare_tag, store.declare_source):
        declare("old")
        declare("new")
    run(tmp_path / "store", tmp_path / "backup")
    store.undeclare_tag("old")
    store.undeclare_source("old")
    for deletes, left in ((False, {"old", "new"}), (True, {"new"})):
        run(tmp_path / "store", tmp_path / "backup", deletes=deletes)
        with contextlib.closing(
            open_store(str(tmp_path / "backup"), Opening(is_read_only=True))
        ) as opened:
            assert opened.tags() - {"t"} == left
            assert opened.sources() - {"s"} == left


def test_bytes_are_compared_when_they_are_to_be(store: NaiveEventStore, tmp_path: Path) -> None:
    """Neither side is trusted more: what differs is told, and not copied."""
    store._flush_all()
    source, target = tmp_path / "store", tmp_path / "backup"
    run(source, target)
    path = target / "0-60"
    stat, data = path.stat(), path.read_bytes()
    path.write_bytes(data.replace(b"event 1", b"event X", 1))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert counts(run(source, target)) == (0, 3, 0)
    [error] = Backup(str(source), str(target), verifies=True).run()
    assert str(path) in str(error)
    path.unlink()
    assert counts(run(source, target, verifies=True)) == (1, 2, 0)
    assert path.read_bytes() == data


def test_a_file_that_cannot_be_read(store: NaiveEventStore, tmp_path: Path) -> None:
    """It is told, all others are copied; the one of before stays. One that vanishes is none."""
    store._flush_all()
    run(tmp_path / "store", tmp_path / "backup")
    before = (tmp_path / "backup/0-60").read_bytes()

    class Unreadable(Disk):
        def open_to_read(self, path: str):  # type: ignore[no-untyped-def]
            if path == str(tmp_path / "store/0-60"):
                raise EventReadException(f"cannot open {path}: Input/output error")
            if path == str(tmp_path / "store/60-120"):
                os.unlink(path)
            return super().open_to_read(path)

    for path in (tmp_path / "store").glob("*-*"):
        os.utime(path)
    backup = Backup(str(tmp_path / "store"), str(tmp_path / "backup"), disk=Unreadable())
    assert [str(tmp_path / "store/0-60") in str(error) for error in backup.run()] == [True]
    assert counts(backup) == (1, 0, 0)
    assert (tmp_path / "backup/0-60").read_bytes() == before


def test_what_cannot_be_read_back_is_not_kept(store: NaiveEventStore, tmp_path: Path) -> None:
    """A disk that loses bytes is found out before an older copy is replaced."""

    class Losing(Disk):
        def create(self, path: str) -> WritableFile:
            file = super().create(path)
            write = file.write

            def lose(*pieces: bytes) -> None:
                write(*(piece.replace(b"event 1", b"event X") for piece in pieces))

            file.write = lose  # type: ignore[method-assign]
            return file

    backup = Backup(str(tmp_path / "store"), str(tmp_path / "backup"), disk=Losing())
    errors = [str(error) for error in backup.run()]
    assert len(errors) == 2
    assert all("is the disk all right?" in each for each in errors)
    assert sorted(path.name for path in (tmp_path / "backup").iterdir()) == [".theiafs", "120-180"]


def test_a_file_that_is_changed_while_it_is_read(store: NaiveEventStore, tmp_path: Path) -> None:
    """It is read again."""
    path = tmp_path / "store" / "0-60"
    changes = iter([b"event: ", b"damaged\n\n"])

    class Changing(Disk):
        def create(self, path: str) -> WritableFile:
            if "/.0-60" in path and (data := next(changes, b"")):
                with open(tmp_path / "store" / "0-60", "ab") as file:
                    file.write(data)
            return super().create(path)

    run(tmp_path / "store", tmp_path / "backup", Changing())
    assert (tmp_path / "backup/0-60").read_bytes() == path.read_bytes()


class TestAnyInstant:
    """A backup that ends at any operation leaves what was in it before, or more."""

    @pytest.fixture
    def disk(self) -> FaultyDisk:
        """A disk with a store, an earlier backup of it, and events that are only in the log."""
        disk = FaultyDisk()
        store = NaiveEventStore("/s", NEVER_MS, disk)
        store.save_all([event(0), event(1), event(0, 1)])
        store.save_view("v", "../by-tag/t")
        store._flush_all()
        run("/s", "/b", disk)
        store.save_all([event(2), event(0, 2)])
        store.sync()
        store._flush_all()
        store.delete("0-1")
        store.save_all([event(3), event(0, 3)])
        store.sync()
        end_process(store)
        return disk

    BEFORE = frozenset({"0-0", "1-0"})
    AFTER = BEFORE | {"0-2", "0-3", "2-0", "3-0"}

    def check(self, disk: FaultyDisk) -> set[str]:
        """Check the backup, and return the ids of its events."""
        check_minute_files(disk, "/b")
        found = ids("/b", disk)
        assert len(found) == len(set(found))
        assert self.BEFORE <= set(found) <= self.AFTER | {"0-1"}
        return set(found)

    @pytest.mark.parametrize("fate", ["kept", "lost", "torn"])
    def test_a_kill_or_a_power_cut(self, disk: FaultyDisk, fate: str) -> None:
        """The next backup completes it."""
        seen: set[bytes] = set()

        def look(phase: str, cut: FaultyDisk) -> None:
            survived = cut.after_a_power_cut(Fate(fate, 1))
            known = survived.fingerprint()
            if known not in seen:
                seen.add(known)
                self.check(survived)
                again = cut.after_a_power_cut(Fate(fate, 1))
                run("/s", "/b", again)
                assert self.check(again) == self.AFTER

        disk.on_cut = look
        run("/s", "/b", disk)
        disk.on_cut = None
        assert self.check(disk) == self.AFTER
        assert len(seen) > 1

    def test_an_operation_that_fails(self, disk: FaultyDisk) -> None:
        """It is told unless it does not matter, and the next backup completes it."""
        total = 0
        number = 1
        while True:
            copied = disk._copy({})
            copied.operations = 0
            copied.failing = range(number, number + 1)
            try:
                errors = list(Backup("/s", "/b", disk=copied).run())
            except EventStoreException as error:
                errors = [error]
            copied.failing = range(0)
            # The log is read again if it changes meanwhile, or seems to.
            assert copied.failures or not errors
            assert self.check(copied) == self.AFTER or errors
            run("/s", "/b", copied)
            assert self.check(copied) == self.AFTER
            total += copied.failures
            if number > copied.operations:
                break
            number += 1
        assert total > 10


def test_a_full_disk(store: NaiveEventStore, tmp_path: Path) -> None:
    """It ends the backup; no temporary file takes the room that is left."""

    class Full(Disk):
        def create(self, path: str) -> WritableFile:
            if path.endswith(".60-120.tmp"):
                raise StoreFull(f"cannot create {path}: No space left on device")
            return super().create(path)

    with pytest.raises(StoreFull):
        list(Backup(str(tmp_path / "store"), str(tmp_path / "backup"), disk=Full()).run())
    assert not list((tmp_path / "backup").glob(".*.tmp"))


def test_the_command(
    store: NaiveEventStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each result and failure, and an exit status."""
    arguments = ["backup", str(tmp_path / "store"), str(tmp_path / "backup")]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path / 'backup'}: 3 minute files copied (1,040 bytes), 0 unchanged\n"
    )
    (tmp_path / "store" / "0-60").unlink()
    (tmp_path / "store" / "0-60").symlink_to("nowhere")
    assert cli.main([*arguments, "--delete", "--verify"]) == 0
    assert "1 removed" in capsys.readouterr().out
    assert cli.main(["backup", str(tmp_path / "missing"), str(tmp_path / "backup")]) == 2
    assert capsys.readouterr().err == (
        f"theiafs: there is no store {tmp_path / 'missing'}: give the directory of its minute files\n"
    )
