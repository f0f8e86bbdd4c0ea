"""The service manager, systemd: told when the mount answers, that it goes on answering, and when it ends; see sd_notify(3)."""

import faulthandler
import logging
import os
import socket
import subprocess
import sys
import threading

__all__ = ["Service"]

_US_PER_S = 1_000_000

_PAUSE_S = 1.0
"""How long to wait, in seconds, before a mount that did not answer is asked again."""

_ASK = """
import os, sys
try:
    os.close(os.open(sys.argv[1], os.O_RDONLY))
except (PermissionError, FileNotFoundError):
    pass  # that is an answer, too: it is not for us, or the mount was taken away
"""
"""A program that asks a mount for a file, as any other program does."""

_ASKED_FOR = "status"
"""The file that is asked for: to look it up takes an answer of libfuse, of the tree, and of the store with its lock."""

log = logging.getLogger(__name__)


class Service:
    """The mount on *mountpoint*, as the service that systemd started this process for; it may have started it for none.

    Whether the mount answers is asked by other processes, one after the other. A thread of this one would wait for a mount that
    hangs as long as the mount is there, and the mount, whose descriptor the thread shares, would be there as long as it waits:
    not even SIGKILL would end them.

    Args:
        mountpoint: where the mount will be.
    """

    def __init__(self, mountpoint: str) -> None:
        self._mountpoint = mountpoint
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._interval_s = _watchdog_s() / 2
        self._has_ended = threading.Event()

    def note_up(self) -> None:
        """Say that the mount is up as soon as it answers, and then, if a watchdog is set, as long as it does."""
        if not self._address:
            return
        if self._interval_s:
            # The watchdog ends what hangs with SIGABRT: the log then says where each thread was.
            faulthandler.enable()
        threading.Thread(target=self._report, name="service", daemon=True).start()

    def note_end(self) -> None:
        """Say that the mount ends."""
        self._has_ended.set()
        self._send("STOPPING=1", "STATUS=writing what is in memory")

    def _report(self) -> None:
        if self._answers():
            self._send("READY=1", f"STATUS=mounted on {self._mountpoint}")
        while self._interval_s and not self._has_ended.wait(self._interval_s):
            if self._answers():
                self._send("WATCHDOG=1")

    def _answers(self) -> bool:
        """Return, however long that takes, whether the mount has answered; otherwise, it has ended."""
        command = [sys.executable, "-ISc", _ASK, os.path.join(self._mountpoint, _ASKED_FOR)]
        while not self._has_ended.is_set():
            asked = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
            if not asked.returncode:
                return True
            if not self._has_ended.wait(_PAUSE_S):
                reason = asked.stderr.strip().rpartition("\n")[2]
                log.warning("the mount on %s does not answer: %s", self._mountpoint, reason)
        return False

    def _send(self, *states: str) -> None:
        if not self._address:
            return
        # An abstract address, which begins with a NUL, is given with an @ instead.
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto("\n".join(states).encode(), address)
            except OSError as error:
                log.warning("cannot tell %s %s: %s", self._address, states[0], error.strerror)


def _watchdog_s() -> float:
    """Return after how many seconds without a word systemd ends this process; 0 if it does not."""
    # The variables are inherited, and may be meant for a parent.
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(os.environ.get("WATCHDOG_USEC", "0")) / _US_PER_S
