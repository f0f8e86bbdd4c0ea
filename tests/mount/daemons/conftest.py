"""One mount for all tests that need none of their own. Their events differ, so that each can tell its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.conftest import Mount
from tests.mount.daemons.recipes import recipe, recipes

KEYS = "keys=CONTAINER_NAME:IMAGE_NAME"


@pytest.fixture(scope="package")
def shared() -> Iterator[Mount]:
    """Yield the mount, with the options and the tags of the recipes; afterwards, check its log and its store."""
    [line] = recipes("For all of them", "fstab")
    options = [each for each in line.split()[3].split(",") if each not in ("defaults", "nofail")]
    # Not in the directory of the tests, which other users cannot enter.
    with tempfile.TemporaryDirectory(prefix="theiafs-") as directory:
        Path(directory).chmod(0o755)
        mount = Mount(Path(directory), ",".join([*options, KEYS]))
        try:
            mount.mount()
            mount.shell(recipe("For all of them", "sh", mount))
            yield mount
            mount.umount()
        finally:
            mount.clean_up()
        log = mount.log()
    assert "ERROR" not in log, log
    assert "Traceback" not in log, log
