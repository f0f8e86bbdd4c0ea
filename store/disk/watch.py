"""Watching a directory: the names of files in it that any process changes, as inotify(7) reports them."""

import ctypes
import os
import select
import threading

from inotify_simple import INotify, flags

from store.errors import EventReadException

__all__ = ["DirectoryWatch", "watch"]

_MASK = (
    flags.CREATE | flags.MODIFY | flags.CLOSE_WRITE | flags.MOVED_FROM | flags.MOVED_TO | flags.DELETE
    | flags.ATTRIB | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR
)  # fmt: skip

_LOST = flags.Q_OVERFLOW | flags.IGNORED | flags.DELETE_SELF | flags.MOVE_SELF | flags.UNMOUNT
"""Events after which names are missing: the queue was full, or another directory has the path."""

# Other machines change files there, of which inotify reports nothing: statfs(2) types by linux/magic.h.
_SHARED_FILE_SYSTEMS = {
    0x6969: "nfs", 0x517B: "smb", 0xFF534D42: "cifs", 0xFE534D42: "smb2", 0x65735546: "fuse", 0x01021997: "9p",
    0x00C36400: "ceph", 0x5346414F: "afs", 0x6B414653: "kafs", 0x73757245: "coda", 0x0BD00BD0: "lustre",
    0x01161970: "gfs2", 0x7461636F: "ocfs2", 0x47504653: "gpfs", 0x786F4256: "vboxsf", 0xBACBACBC: "vmhgfs",
}  # fmt: skip

_statfs = ctypes.CDLL(None, use_errno=True).statfs


class DirectoryWatch:
    """The changes in a directory since it is watched. One thread waits; any may wake it.

    Args:
        notifier: watches the directory, and nothing else.
    """

    def __init__(self, notifier: INotify) -> None:
        self._notifier = notifier
        self._waker = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_lost = False
        self._lock = threading.Lock()  # so that a descriptor is not used while it is closed
        self._poller = select.poll()
        self._poller.register(notifier.fileno(), select.POLLIN)
        self._poller.register(self._waker, select.POLLIN)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a change, at most *timeout_s* seconds or until :meth:`wake`; return whether there is one."""
        ready = [descriptor for descriptor, _ in self._poller.poll(timeout_s * 1000)]
        if self._waker in ready:
            with self._lock:
                if self._waker >= 0:
                    os.eventfd_read(self._waker)
        return any(descriptor != self._waker for descriptor in ready)

    def wake(self) -> None:
        """Make the thread that waits, or the next one to wait, return at once."""
        with self._lock:
            if self._waker >= 0:
                os.eventfd_write(self._waker, 1)

    def changes(self) -> set[str] | None:
        """Return the names of the files that changed since the last call.

        Returns:
            None when some are missing, because the queue overflowed (then only this time) or because
            the directory was removed, renamed or unmounted (then every time).
        """
        names: set[str] = set()
        found = 0
        for event in self._notifier.read(timeout=0):
            names.add(event.name)
            found |= event.mask
        self._is_lost |= bool(found & _LOST & ~flags.Q_OVERFLOW)
        if self._is_lost or found & flags.Q_OVERFLOW:
            return None
        names.discard("")  # the directory's own attributes
        return names

    def close(self) -> None:
        """End the watch. No thread may be waiting."""
        with self._lock:
            if self._waker >= 0:
                self._notifier.close()
                os.close(self._waker)
                self._waker = -1


def watch(directory: str) -> DirectoryWatch | None:
    """Watch *directory*; None where inotify does not report every change, or the system has no watch left.

    Raises:
        EventReadException: if the directory cannot be read.
    """
    if _file_system_type(directory) in _SHARED_FILE_SYSTEMS:
        return None
    try:
        notifier = INotify()
    except OSError:  # too many instances or descriptors, or no inotify in this kernel
        return None
    try:
        notifier.add_watch(directory, _MASK)
    except OSError as error:
        notifier.close()
        if isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
            raise EventReadException(f"cannot watch {directory}: {error.strerror}") from error
        return None
    return DirectoryWatch(notifier)


def _file_system_type(path: str) -> int:
    """Return the type that statfs(2) gives for *path*, of which only the first word is used."""
    buffer = (ctypes.c_ulong * 64)()
    if _statfs(os.fsencode(path), buffer) != 0:
        number = ctypes.get_errno()
        raise EventReadException(f"cannot measure {path}: {os.strerror(number)}")
    return buffer[0] & 0xFFFFFFFF
