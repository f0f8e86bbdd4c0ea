"""The watcher: it notices changes of the minute files by other programs."""

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from store.answers.version import Minute
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.disk.watch import DirectoryWatch
from store.engine.scanner import Scanned
from store.engine.state import State
from store.errors import EventReadException, EventStoreException, EventWriteException
from store.index.listing import differences, list_stamps
from store.index.stamp import Stamp
from store.locks import new_lock
from store.minutes.names import parse_name

__all__ = ["Tails", "Watcher"]

_WAIT_S = 1.0
"""Maximum time until a change is noticed."""

_CHEAP_PASS_S = 0.05
_PASS_COST_MAX = 20
"""A pass over the whole directory that takes longer than _CHEAP_PASS_S is followed by a pause of _PASS_COST_MAX times its
duration: at most 5 % of a core."""

_FILES_AT_ONCE, _REST_SHARE = 1000, 4
"""Number of files that are compared between two rests when that does not press, and how many times as long a rest is."""

_REMOVED_AT_ONCE = 256
"""Maximum number of minutes removed under one hold of the locks, so that no save waits long."""

_NEWEST = 100
"""Number of the newest minutes, which are compared with their files between two passes."""

log = logging.getLogger(__name__)


class Tails(Protocol):
    """The tails of minutes: the events that are not in their files yet."""

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep minutes from being flushed inside the context."""

    def has_tail(self, minute: int) -> bool:
        """Return whether the minute with the id *minute* has a tail."""

    def note_removed(self, minutes: Iterable[int]) -> None:
        """Note that the files of *minutes*, by id, are gone for good; ignore minutes with a tail."""

    def absorb(self, minute: Minute, scanned: Scanned) -> bool:
        """Append what was added to the file of *minute*, *scanned* now, to its tail; return whether nothing else changed."""

    def rebase(self, minute: Minute, scanned: Scanned | None) -> None:
        """Rebase the tail of *minute* onto *scanned*, its file now; None for no file."""


class Watcher:
    """A watcher of minute files that other programs remove, change and add. Any number of threads may use it.

    inotify reports the names where it works; elsewhere, and after an overflow, passes over the directory find them.

    Args:
        state: the state of the store.
        disk: the disk of the minute files.
        tails: the tails of the minutes.
    """

    def __init__(self, state: State, disk: Disk, tails: Tails) -> None:
        self._state = state
        self._disk = disk
        self._tails = tails
        self._watch: DirectoryWatch | None = None
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()
        # Names to compare again: their files are so recent that another change would not show.
        self._unsettled: set[str] = set()
        # The errors of the last look by name, so that each is logged once.
        self._errors: dict[str, str] = {}
        self._next_pass = 0.0
        # How many passes were requested, which of these requests was the last because reports were lost, how many of them the
        # last pass answers, and how many are answered: what was found is shown.
        self._requests = self._lost = self._passed = self._answered = 0
        self._pass_lock = new_lock("pass")

    def begin(self) -> None:
        """Begin to collect changes; call this before listing the directory, or request a pass, so that none is missed."""
        self._watch = self._disk.watch(self._state.root_dir)

    def request_pass(self) -> None:
        """Compare all files when there is time: they were not when the store was opened."""
        self._requests += 1

    @property
    def _must_pass(self) -> bool:
        return self._answered < self._requests and not self._cancelled.is_set()

    def start(self) -> None:
        """Start a thread that applies changes until :meth:`close`."""
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def status(self) -> str:
        """Return how changes are noticed."""
        how = "passes of stat" if self._watch is None else "inotify"
        return f"{how}, a pass is due" if self._must_pass else how

    @property
    def hears_all(self) -> bool:
        """Whether it hears of each change as soon as it is made."""
        return self._watch is not None and self._answered >= self._lost

    def stop(self) -> None:
        """Stop the thread, and a pass that was requested, in any thread; :meth:`look` still works for what inotify reports."""
        self._cancelled.set()
        if self._watch is not None:
            self._watch.wake()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop the thread and end the watch."""
        self.stop()
        if self._watch is not None:
            self._watch.close()

    def look(self, names: Iterable[str] = ()) -> None:
        """Apply all changes since the last call, and compare *names* as well.

        A minute file that cannot be compared is logged, and compared again at the next call.

        Raises:
            EventStoreException: if anything else was not possible; the next call tries again.
        """
        if self._look_once(names):
            self._look_once(())

    def _look_once(self, names: Iterable[str]) -> bool:
        """Look, with a pass first if one is due; return whether reports were lost without a pass.

        If another thread is at a pass that takes long, this one does not wait for it: it may have to flush.
        """
        # A pass that rests is one for the thread of its own: another has to sync what is saved meanwhile.
        is_another = self._thread is not None and threading.current_thread() is not self._thread
        is_due = self._watch is None or (self._must_pass and not (self.hears_all and is_another))
        is_passing = is_due and self._pass_lock.acquire(timeout=_CHEAP_PASS_S)
        try:
            # Before the lock that a flush waits for.
            found = {*names, *self._pass()} if is_passing else set(names)
            with self._tails.exclusive():
                has_lost = self._look(found)
            if is_passing:
                self._answered = self._passed
            return has_lost and not is_passing
        finally:
            if is_passing:
                self._pass_lock.release()

    def _look(self, names: Iterable[str]) -> bool:
        """Compare *names* and all that the watch reports; return whether it has lost reports."""
        found = {*names, *self._take_unsettled()}
        changes = self._watch.changes() if self._watch is not None else set()
        if changes is None:
            self._requests += 1
            self._lost = self._requests
        else:
            found |= changes
        failures = self.show(each for each in found if parse_name(each) is not None)
        self._note_errors({name: str(error) for name, error in failures.items()})
        self._state.recount()
        return changes is None

    def _note_errors(self, errors: dict[str, str]) -> None:
        """Log those of *errors*, by name, that differ from those of the last look."""
        for name, error in errors.items():
            if self._errors.get(name) != error:
                log.error("will check %s for changes again: %s", name, error)
        self._errors = errors

    def refresh(self, name: str) -> None:
        """Compare the minute file *name* with the catalog now, because a reader found it changed.

        Raises:
            EventReadException: if that was not possible; the next look tries again.
        """
        try:
            with self._tails.exclusive():
                for error in self.show({name}).values():
                    raise error
        except EventWriteException as error:
            raise EventReadException(str(error)) from error

    def show(self, names: Iterable[str]) -> dict[str, EventStoreException]:
        """Compare the minute files *names*, and show every change; the caller keeps minutes from being flushed.

        Returns:
            By name, why some could not be compared; they are compared again at the next look.

        Raises:
            EventStoreException: if a change could not be shown; the next look tries again.
        """
        found = set(names)
        try:
            failures = self._compare(found)
        except EventStoreException:
            self._unsettled |= found
            raise
        self._unsettled |= failures.keys()
        return failures

    def show_removed(self, minutes: Sequence[int]) -> None:
        """Show that the files of *minutes*, by id, were removed; the caller keeps minutes from being flushed.

        Raises:
            EventStoreException: if that was not possible; the next look tries again.
        """
        with self._state.lock:
            names = self._state.catalog.names(np.array(minutes, np.int64))
        try:
            self._show_gone(minutes)
        except EventStoreException:
            self._unsettled.update(names)
            raise

    def _run(self) -> None:
        while not self._cancelled.is_set():
            if self._watch is None:
                self._cancelled.wait(_WAIT_S)
            else:
                self._watch.wait(_WAIT_S)
            if self._cancelled.is_set():
                return
            try:
                self.look()
            except EventStoreException as error:
                log.error("will check %s for changes again: %s", self._state.root_dir, error)  # noqa: TRY400
            except (
                Exception
            ):  # whatever it was, changes by others must not go unnoticed from now on
                log.exception("will check %s for changes again", self._state.root_dir)

    def _take_unsettled(self) -> set[str]:
        taken, self._unsettled = self._unsettled, set()
        return taken

    def _pass(self) -> set[str]:
        """Return the names that differ between directory and catalog; between passes, those of the newest minutes."""
        begin = time.monotonic()
        if begin < self._next_pass:
            with self._state.lock:
                newest = self._state.catalog.ids()[-_NEWEST:]
                return set(self._state.catalog.names(newest))
        requests, is_requested = self._requests, self._watch is not None
        files = self._disk.list_files(self._state.root_dir)
        if is_requested:
            files = itertools.takewhile(lambda _: self._must_pass, files)
        listed = list_stamps(self._with_rests(files) if is_requested else files)
        if is_requested and not self._must_pass:
            return set()
        with self._state.lock:
            known = self._state.catalog.files()
        gone, changed, new = differences(known, listed)
        with self._state.lock:
            names = set(self._state.catalog.names(np.array([*gone, *changed], np.int64)))
        done = time.monotonic()
        if done - begin > _CHEAP_PASS_S:
            self._next_pass = done + _PASS_COST_MAX * (done - begin)
        self._passed = requests
        return names | set(new)

    def _with_rests(self, files: Iterator[FileStat]) -> Iterator[FileStat]:
        """Yield *files*, and rest in between for longer than they take, as long as no reports are lost: a new mount has to answer."""
        begin = time.monotonic()
        while some := list(itertools.islice(files, _FILES_AT_ONCE)):
            yield from some
            if self.hears_all:
                self._cancelled.wait(_REST_SHARE * (time.monotonic() - begin))
            begin = time.monotonic()

    def _compare(self, names: set[str]) -> dict[str, EventStoreException]:
        """Compare the minute files *names* with the catalog, and show every change.

        Returns:
            By name, why some could not be compared; all others were.
        """
        failures: dict[str, EventStoreException] = {}
        gone: list[int] = []
        for name in sorted(names, key=parse_name):  # type: ignore[arg-type]
            try:
                gone += self._compare_one(name)
            except EventStoreException as error:
                failures[name] = error
        if gone:
            self._show_gone(gone)
        return failures

    def _compare_one(self, name: str) -> list[int]:
        """Compare the minute file *name*, and show its change; only return its id if it is gone and has no tail."""
        stat = self._disk.stat(f"{self._state.root_dir}/{name}")
        with self._state.lock:
            minute = self._state.catalog.find(name)
            stamp = self._state.catalog.stamp(minute) if minute is not None else None
        if minute is None or stamp is None:
            if stat is not None:
                self._show_new(name)
        elif stat is None:
            if not stamp.inode:
                return []  # it has no file yet
            if not self._tails.has_tail(minute):
                return [minute]
            self._show_changed(minute, None)
        elif Stamp.exactly(stat) != stamp:
            self._show_changed(minute, stat)
        return []

    def _show_gone(self, gone: Sequence[int]) -> None:
        """Show that the files of the minutes *gone*, by id, were removed."""
        log.info("%d minute files were removed", len(gone))
        for first in range(0, len(gone), _REMOVED_AT_ONCE):
            some = gone[first : first + _REMOVED_AT_ONCE]
            self._tails.note_removed(some)
            self._state.drop(some, self._tails.has_tail)
        # Minutes that got a tail meanwhile go to a new file with it.
        for minute in gone:
            with self._state.lock:
                is_there = self._state.catalog.has(minute)
            if is_there:
                self._show_changed(minute, None)

    def _show_new(self, name: str) -> None:
        scanned = self._state.scanner.scan(name)
        if scanned is None:
            return
        with self._state.lock:
            found = self._state.catalog.find(name)
        if found is not None:
            # An event was just saved to it, and is rebased onto the file.
            self._show_changed(found, scanned.stat)
            return
        self._note_unsettled(scanned.stat)
        self._state.save(self._state.add([scanned], has_arrived=True))

    def _show_changed(self, minute_id: int, stat: FileStat | None) -> None:
        """Show the file of a minute as it is now, with its tail after it."""
        minute = self._state.lookup.minute(minute_id)
        path = f"{self._state.root_dir}/{minute.name}"
        if stat is None:
            log.warning("%s was removed", path)
            self._tails.rebase(minute, None)
            return
        scanned = self._state.scanner.scan(minute.name)
        if scanned is None:
            return
        self._note_unsettled(scanned.stat)
        if self._state.is_same(minute, scanned):
            self._state.accept(minute, scanned)
            return
        if self._tails.has_tail(minute.id):
            if self._tails.absorb(minute, scanned):
                self._state.save([minute])
                return
        elif self._state.continue_minute(minute, scanned):
            return
        log.info("%s was changed", path)
        self._tails.rebase(minute, scanned)

    def _note_unsettled(self, stat: FileStat) -> None:
        if not Stamp.of(stat).is_settled:
            self._unsettled.add(stat.name)
