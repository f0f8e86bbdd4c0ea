"""A mount of a database of ClickHouse."""

import contextlib
import subprocess
from pathlib import Path

from tests.mount.conftest import is_mounted, theiafs

__all__ = ["EngineMount"]

_LATE_S = 60
"""Much later than any timeout of a mount here."""


class EngineMount:
    """A mount of a database, made with the command line.

    Args:
        base: an existing directory, for the mountpoint and the log.
        address: of the database.

    Attributes:
        path: the mountpoint.
    """

    def __init__(self, base: Path, address: str) -> None:
        self.path = base / "mnt"
        self.path.mkdir()
        self._address = address
        self._log = base / "log"

    def mount(self, options: str = "") -> None:
        """Mount with *options*."""
        joined = ",".join(filter(None, [f"log={self._log}", options]))
        theiafs("mount", self._address, self.path, "-o", joined)

    def umount(self) -> None:
        """Unmount."""
        theiafs("umount", self.path)
        assert not is_mounted(self.path)

    def clean_up(self) -> None:
        """Unmount it, if it is mounted, and be content if that takes too long."""
        if is_mounted(self.path):
            with contextlib.suppress(subprocess.TimeoutExpired):
                theiafs("umount", self.path, check=False)

    def shell(self, command: str, check: bool = True) -> str:
        """Run *command* in the mount; return what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=_LATE_S,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout if check else done.stderr
