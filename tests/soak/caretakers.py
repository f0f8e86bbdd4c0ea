"""Those that remove old minutes, and change others in place."""

import errno
import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from store import Event, EventSerializer
from tests.soak.readers import Failures
from tests.soak.tally import Tally
from tests.waiting import eventually

__all__ = ["Caretakers"]

_PAUSE_S = 0.5
_PATIENCE_S = 120
_ATTRIBUTES_S = 1.2
"""The kernel shows attributes for no longer than this."""

_PADDING = b"xxx"
"""Each event's content ends with it."""
_OTHER_PADDING = b"yyy"


class _Minute(NamedTuple):
    start: int
    name: str


class Caretakers:
    """The one that removes minutes, and the one that changes them; threads run each until the soak is stopped.

    Args:
        store: the directory of the store.
        mount: the mountpoint.
        aside: a directory on the disk of the store, for minutes on their way out.
        kept: how many old minutes are not removed.
        is_followed: returns whether those that follow the events have read all that there were a second ago: for what is gone
            before they have read it they get an error, and end.
        is_old: returns whether nothing is appended any more to the minute that starts at a time, in seconds since the epoch.
        chance: decides what to do.
        failures: where to add what fails.

    Attributes:
        removed: the events that were removed.
        removals: how many minutes were removed.
        appended: how many events were appended to files in place, named ``changer-0``, ``changer-1``, and so on.
        changes: how many files were changed in place.
        overwritten: the events of minutes that were overwritten, all of which arrive once more for those that follow.
    """

    def __init__(
        self,
        store: Path,
        mount: Path,
        aside: Path,
        kept: int,
        is_followed: Callable[[], bool],
        is_old: Callable[[int], bool],
        chance: random.Random,
        failures: Failures,
    ) -> None:
        self.removed = Tally()
        self.overwritten = Tally()
        self.removals = 0
        self.appended = 0
        self.changes = 0
        self._store = store
        self._mount = mount
        self._aside = aside
        self._kept = kept
        self._is_followed = is_followed
        self._is_old = is_old
        self._chance = chance
        self._failures = failures
        self._lock = threading.Lock()  # no minute is removed while it is changed

    def remove(self, stopped: threading.Event) -> None:
        """Remove old minutes, in turn with rm and by taking their files away, until the soak is *stopped*."""
        ways = itertools.cycle([self._remove_through_the_mount, self._take_away])
        self._repeat(stopped, self._kept, lambda minutes: next(ways)(minutes[0].name))

    def change(self, stopped: threading.Event) -> None:
        """Change old minutes in their files, and see that the mount shows it, until the soak is *stopped*."""
        ways = itertools.cycle([self._append, self._overwrite])
        self._repeat(
            stopped, 0, lambda minutes: self._change(next(ways), self._chance.choice(minutes))
        )

    def _repeat(
        self, stopped: threading.Event, kept: int, work: Callable[[list[_Minute]], None]
    ) -> None:
        """Call *work* with the old minutes, the oldest first, whenever there are more than *kept* of them."""
        while not stopped.wait(self._chance.random() * _PAUSE_S):
            with self._lock:
                minutes = self._old_minutes()
                if len(minutes) <= kept:
                    continue
                try:
                    eventually(self._is_followed, _PATIENCE_S)
                    work(minutes)
                except (OSError, AssertionError) as error:
                    self._failures.add(f"a minute removed or changed: {error!r}")

    def _old_minutes(self) -> list[_Minute]:
        names = [name for name in os.listdir(self._store) if name[0].isdigit()]
        minutes = [_Minute(int(name.partition("-")[0]), name) for name in names]
        return sorted(each for each in minutes if self._is_old(each.start))

    def _remove_through_the_mount(self, name: str) -> None:
        path = self._mount / "minutes" / name
        content = path.read_bytes()
        path.unlink()
        self._note_removal(content)

    def _take_away(self, name: str) -> None:
        path = self._aside / name
        os.rename(self._store / name, path)
        self._note_removal(path.read_bytes())
        path.unlink()

    def _note_removal(self, content: bytes) -> None:
        self.removed.add(content)
        self.removals += 1

    def _change(self, way: Callable[[Path, int], None], minute: _Minute) -> None:
        stored = self._store / minute.name
        way(stored, minute.start)
        self.changes += 1
        shown = self._mount / "minutes" / minute.name
        eventually(lambda: _is_shown(stored, shown))
        # A change that is shown is part of all sizes soon.
        end = time.monotonic() + _ATTRIBUTES_S
        eventually(lambda: time.monotonic() > end and self._is_followed(), _PATIENCE_S)

    def _append(self, path: Path, start: int) -> None:
        name = f"changer-{self.appended}"
        content = f"{name} {_PADDING.decode()}"
        event = Event(name, "changer", start + self._chance.randrange(60), ["changed"], content)
        with open(path, "ab", buffering=0) as file:
            file.write(EventSerializer().serialize(event) + b"\n")
        self.appended += 1

    def _overwrite(self, path: Path, _: int) -> None:
        """Replace letters by as many others: its size stays."""
        content = path.read_bytes()
        place = content.find(_PADDING)
        if place >= 0:
            self.overwritten.add(content)
            with open(path, "r+b", buffering=0) as file:
                file.seek(place)
                file.write(_OTHER_PADDING)


def _is_shown(stored: Path, shown: Path) -> bool:
    """Return whether the file *shown* in the mount is what is *stored*; a change that is noticed while it is open ends it."""
    try:
        return shown.read_bytes() == stored.read_bytes()
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return False
