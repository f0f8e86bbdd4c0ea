"""Backends: what a kind of store makes of an address, before it is open and after it is closed."""

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from store.api import EventStore
from store.errors import NotForThisStore
from store.progress import Progress, show_nothing
from store.view import View

__all__ = ["MEMORY_SIZE", "Backend", "Opening"]

MEMORY_SIZE = 256 << 20
"""The default memory budget, in bytes."""


@dataclass(frozen=True)
class Opening:
    """How a store is opened. A backend ignores what means nothing to it.

    Attributes:
        is_read_only: follow a store that another process may be writing.
        flush_interval_ms: milliseconds between flushes; 0 or less flushes at every save. For a store that is only
            read, milliseconds between checks for what another process has flushed.
        memory_size: the memory budget, in bytes; caches get what the catalog and the streams leave of it.
        log_keep_size: maximum size of the flushed records that the log keeps, in bytes.
        measured_views: the views whose lines are measured in the background, so that the sizes of answers are known. In
            any other, and in a store that is only read, they are measured when they are asked for.
        progress: called with the number of minute files read so far, and the number to read.
        timeout_s: how long an engine on the network may take for an answer, and to store what is written, in seconds.
        spool_directory: a directory of this machine in which what is written waits for such an engine; empty for none.
        ttl_days: how long such an engine keeps events, in days; 0 leaves that as it is.
        quorum: on how many of its replicas what is written is stored before that counts: a number, or "auto" for most of them;
            empty for one.
        is_strict: whether everything that any process has stored shows at once, which costs a question for each request; otherwise
            what others have stored may be as old as the backend says.
    """

    is_read_only: bool = False
    flush_interval_ms: float = 1000
    memory_size: int = MEMORY_SIZE
    log_keep_size: int = 1 << 30
    measured_views: Sequence[View] = ()
    progress: Progress = show_nothing
    timeout_s: float = 30
    spool_directory: str = ""
    ttl_days: int = 0
    quorum: str = ""
    is_strict: bool = False


class Backend(ABC):
    """The store at an address, which is open or not, and may not even exist.

    Attributes:
        address: the address, which means the same in any working directory.
        name: the address as it is shown, also in the table of mounts: it is an address as well, but never has a password.
        identity: the same for all addresses of one store.
        can_spool: whether what is written may wait in a spool.
    """

    can_spool = False

    address: str
    name: str
    identity: str

    @abstractmethod
    def check(self, *, is_read_only: bool = False) -> None:
        """Check that the store can be opened, as far as that can be told without opening it; change nothing.

        Raises:
            StoreNotFound: if there is none, and it is only to be read.
            EventStoreException: if it cannot be opened; the message says what to do.
        """

    @abstractmethod
    def open(self, opening: Opening) -> EventStore:
        """Open the store as *opening* says; it is made if there is none, unless it is only read.

        Raises:
            StoreNotFound: if there is none, and it is only read.
            StoreLocked: if another process has it open.
            EventStoreException: if it cannot be opened.
        """

    def check_mountpoint(self, mountpoint: str) -> None:  # noqa: B027 - most stores are in no directory
        """Check that a mount of the store on the directory *mountpoint*, an absolute path, would not hide the store itself.

        Raises:
            EventStoreException: if it would.
        """

    def warnings(self) -> Sequence[str]:
        """Return what is dangerous about serving the store, a sentence for each."""
        return ()

    def owner(self) -> int | None:
        """Return the id of the user of this machine that owns the store; None if there is none, or it cannot be told."""
        return None

    def take_turn(
        self, on_wait: Callable[[str], object]
    ) -> contextlib.AbstractContextManager[object]:
        """Wait until no other process adds what is missing to the store, and be the one that does, until the context ends.

        Two that search at once for what is missing would both add it. A process has its turn before it opens the store, or finds that
        it is mounted; those that go through the mount take turns at the mountpoint. A store that several machines have open has no turns.

        Args:
            on_wait: called with the process that has the turn, before it is waited for.

        Raises:
            EventStoreException: if the store cannot be opened.
        """
        del on_wait
        return contextlib.nullcontext()

    def wait_until_closed(self, timeout_s: float = math.inf, spool_directory: str = "") -> bool:
        """Wait until no process has the store open to write, where only one may have, at most *timeout_s* seconds.

        Args:
            timeout_s: in seconds.
            spool_directory: of an engine that any number may have open, the spool that only one may have; see :class:`Opening`.

        Returns:
            Whether everything that was saved is where it belongs; otherwise, it will be when the store is opened again.

        Raises:
            StoreLocked: if one still has after that time.
            EventStoreException: if that cannot be found out.
        """
        del timeout_s, spool_directory
        return True

    @property
    def directory(self) -> str:
        """The directory of the minute files.

        Raises:
            NotForThisStore: if it has none.
        """
        raise NotForThisStore(f"{self.name} is no directory of minute files, and this is for those")
