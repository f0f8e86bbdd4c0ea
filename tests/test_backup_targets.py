"""The directory that ``theiafs backup`` writes to: the permissions and owners in it, and those that it leaves alone."""

import contextlib
import os
import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import (
    Audit,
    Backup,
    EventReadException,
    EventStoreException,
    EventWriteException,
    NaiveEventStore,
    Opening,
    StoreLocked,
    open_store,
    reindex,
)
from tests.backups import counts, event, ids, make_store, run
from tests.endings import end_process
from tests.survivors import NEVER_MS
from theiafs import cli


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    """Yield an open store in ``store``."""
    with contextlib.closing(make_store(tmp_path / "store")) as opened:
        yield opened


def facts(path: Path) -> tuple[int, int, int]:
    """Return the permissions and the owner of *path*."""
    status = path.lstat()
    return status.st_mode, status.st_uid, status.st_gid


def test_permissions_and_owners_are_those_of_the_store(tmp_path: Path) -> None:
    """Those of minutes that are only in the log, and of directories, too: so the owner can use what root restores."""
    source, target = tmp_path / "store", tmp_path / "backup"
    before = os.umask(0o077)
    try:
        store = NaiveEventStore(str(source), NEVER_MS)
        store.save(event(0))
        store._flush_all()
        store.save_all([event(1), event(0, 2)])
        for tag in ("declared", "long" * 100):
            store.declare_tag(tag)
        store.save_view("v", "../by-tag/t")
        store.write_state("errors", b"line\n")
        (source / ".theiafs/quarantine").mkdir()
        (source / ".theiafs/quarantine/0-60.0123abcd").write_bytes(b"damage")
        end_process(store)
    finally:
        os.umask(before)
    for path in (source, *source.rglob("*")):
        os.chown(path, 12_345, 12_346, follow_symlinks=False)
    (source / ".theiafs/declared").chmod(0o750)
    target.mkdir()
    run(source, target)
    made = {path.relative_to(target) for path in target.rglob("*") if not path.is_symlink()}
    assert made >= {
        each.relative_to(source)
        for each in source.rglob("*")
        if not each.is_symlink()
        and not {"journal", "lock", "index.sqlite", "index.sqlite-complete"} & {*each.parts}
    }
    assert facts(target) == facts(source)
    [segment] = (source / ".theiafs/journal").iterdir()
    for each in made:
        model = segment if each.name == "120-180" else source / each
        assert facts(target / each) == facts(model), each
    assert facts(target / "120-180") == (stat.S_IFREG | 0o600, 12_345, 12_346)


class TestABackupThatEventsAreSavedTo:
    """It is no backup any more: they may be nowhere else."""

    def save_to(self, root: Path) -> NaiveEventStore:
        """Save an event to *root*."""
        opened = NaiveEventStore(str(root), NEVER_MS)
        opened.save_all([event(0, 9)])
        return opened

    def refuse(self, source: Path, target: Path) -> str:
        """Return the command by which a backup that is refused says that it is a backup again."""
        with pytest.raises(EventWriteException) as refused:
            run(source, target, deletes=True)
        [command] = re.findall(r"\(if .*: (ln .*)\)", str(refused.value))
        assert "9-0" in ids(target)
        return str(command)

    def test_the_next_backup_is_refused(self, store: NaiveEventStore, tmp_path: Path) -> None:
        """It says how to go on with the same directory; then what is only there goes."""
        source, target = tmp_path / "store", tmp_path / "backup"
        run(source, target)
        self.save_to(target).close()
        command = self.refuse(source, target)
        subprocess.run(shlex.split(command), check=True)
        assert counts(run(source, target, deletes=True))[2] == 1
        assert "9-0" not in ids(target)

    def test_what_is_restored(self, store: NaiveEventStore, tmp_path: Path) -> None:
        """It is the store that was lost, and no backup of what is in its place."""
        run(tmp_path / "store", tmp_path / "backup")
        shutil.copytree(tmp_path / "backup", tmp_path / "restored", symlinks=True)
        self.save_to(tmp_path / "restored").close()
        self.refuse(tmp_path / "store", tmp_path / "restored")

    def test_looking_removing_and_mending_keep_it(
        self, store: NaiveEventStore, tmp_path: Path
    ) -> None:
        """Nothing is saved by opening it to write, by checking, repairing, pruning, and building its index."""
        source, target = tmp_path / "store", tmp_path / "backup"
        run(source, target)
        for is_read_only in (True, False):
            open_store(str(target), Opening(is_read_only=is_read_only)).close()
        assert [*Audit(str(target)).run()] == [*Audit(str(target), to_repair=True).run()] == []
        assert cli.main(["prune", str(target), "--older", "1d"]) == 0
        assert reindex(str(target)) == 0
        assert counts(run(source, target)) == (3, 0, 0)

    def test_a_process_that_is_killed(self, store: NaiveEventStore, tmp_path: Path) -> None:
        """While it is open, it is locked. Where it is to be a backup again, what is only in its log is flushed first, and stays."""
        source, target = tmp_path / "store", tmp_path / "backup"
        run(source, target)
        used = self.save_to(target)
        again = shlex.split(f"ln -sfn {source} {target}/.theiafs/backup-of")
        subprocess.run(again, check=True)
        with pytest.raises(StoreLocked):
            run(source, target)
        end_process(used)
        run(source, target)
        assert "9-0" in ids(target)


class TestRefusals:
    """Refusals change nothing, and say what to do."""

    def refuse(self, source: Path, target: Path, kind: type[EventStoreException]) -> str:
        """Return the message with which a backup is refused."""
        before = sorted(path for path in target.rglob("*")) if target.exists() else None
        with pytest.raises(kind) as refused:
            list(Backup(str(source), str(target)).run())
        assert "\n" not in str(refused.value)
        assert before == (sorted(target.rglob("*")) if target.exists() else None)
        return str(refused.value)

    def test_no_store(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        for source in (tmp_path / "empty", tmp_path / "missing"):
            assert str(source) in self.refuse(source, tmp_path / "backup", EventReadException)

    def test_a_directory_with_something_else(self, store: NaiveEventStore, tmp_path: Path) -> None:
        """Another store, for instance: its minutes would be replaced."""
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "0-60").write_bytes(b"other")
        message = self.refuse(tmp_path / "store", tmp_path / "other", EventWriteException)
        assert "give another directory" in message

    def test_the_backup_of_another_store(self, store: NaiveEventStore, tmp_path: Path) -> None:
        """Also one that is confused with its store."""
        run(tmp_path / "store", tmp_path / "backup")
        shutil.copytree(tmp_path / "backup", tmp_path / "restored", symlinks=True)
        for source in (tmp_path / "restored", tmp_path / "backup"):
            target = tmp_path / ("backup" if source.name == "restored" else "restored")
            assert str(tmp_path / "store") in self.refuse(source, target, EventWriteException)

    def test_one_within_the_other(self, store: NaiveEventStore, tmp_path: Path) -> None:
        for target in ("store", "store/backup", "."):
            self.refuse(tmp_path / "store", tmp_path / target, EventWriteException)
