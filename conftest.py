"""Dead mounts, whose process was killed, do not disturb pytest."""

import getpass
import os
import subprocess
import tempfile
from pathlib import Path

from theiafs.mounts import mounts


def pytest_configure() -> None:
    """Unmount what killed test runs left mounted: pytest cannot delete their directories, and then fails.

    Raises:
        CalledProcessError: if that fails, except where another run that begins at the same time was faster.
    """
    parent = os.environ.get("PYTEST_DEBUG_TEMPROOT") or tempfile.gettempdir()
    root = Path(parent).resolve() / f"pytest-of-{getpass.getuser()}"
    for mount in mounts():
        path = Path(mount.mountpoint)
        if mount.is_ours and path.is_relative_to(root) and not _is_in_use(root, path):
            try:
                subprocess.run(["umount", "--lazy", path], check=True)
            except subprocess.CalledProcessError:
                if mount.mountpoint in {each.mountpoint for each in mounts()}:
                    raise


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Ignore a dead mount in the repository, such as ./mnt, where pytest would fail to stat it."""
    try:
        collection_path.stat()
    except OSError:
        return True
    return None


def _is_in_use(root: Path, path: Path) -> bool:
    """Return whether the test run whose directory below *root* contains *path* is still running."""
    lock = root / path.relative_to(root).parts[0] / ".lock"  # contains its process id
    try:
        return Path("/proc", lock.read_text()).exists()
    except FileNotFoundError:
        return False
