"""Each binding serves with its own libfuse, whatever else is installed."""

import os
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import pytest

from tests.mount.conftest import COMMAND_LINE, ENVIRONMENT, Mount, libfuse_of, theiafs

PATH = "FUSE_LIBRARY_PATH"
LIBRARIES = {"fusepy": {"libfuse"}, "mfusepy": {"libfuse3"}}
HIDING = """\
import ctypes, sys
real = ctypes.CDLL.__init__
def init(self, name, *args, **options):
    if name and name.startswith("libfuse.so"):
        raise OSError(f"{name}: cannot open shared object file")
    real(self, name, *args, **options)
ctypes.CDLL.__init__ = init
from theiafs.cli import main
sys.exit(main())
"""
"""The command on a system without libfuse 2."""


def test_the_mounts_of_this_run_have_the_libfuse_asked_for(mounted: Mount) -> None:
    """The environment variable THEIAFS_BINDING decides; without it, libfuse 2 is preferred. A path decides on the very file."""
    binding = os.environ.get("THEIAFS_BINDING", "fusepy")
    assert libfuse_of(mounted.process_id) == LIBRARIES[binding]
    assert os.environ.get(PATH, "") in Path(f"/proc/{mounted.process_id}/maps").read_text()


@pytest.mark.parametrize("binding", LIBRARIES)
def test_the_option_overrides_the_variable(
    make_mount: Callable[..., Mount], monkeypatch: pytest.MonkeyPatch, binding: str
) -> None:
    """-o binding is the more specific of the two."""
    monkeypatch.delitem(ENVIRONMENT, PATH, raising=False)
    mount = make_mount(f"binding={binding}")
    assert libfuse_of(mount.process_id) == LIBRARIES[binding]
    mount.shell("echo line >> ingest")
    assert mount.contents() == [b"line"]


@pytest.mark.parametrize("is_chosen", [False, True])
def test_without_libfuse_2_libfuse_3_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_chosen: bool
) -> None:
    """No option is needed; nor is fusepy used with a libfuse 3 that the user chose, which it would misread."""
    monkeypatch.setitem(ENVIRONMENT, "THEIAFS_BINDING", "")
    if is_chosen:
        library = find_library("fuse3")
        assert library is not None
        monkeypatch.setitem(ENVIRONMENT, PATH, library)
    mount = Mount(tmp_path)
    try:
        program = COMMAND_LINE if is_chosen else ("-c", HIDING)
        theiafs("mount", mount.store_path, mount.path, "-o", mount.options, program=program)
        assert libfuse_of(mount.process_id) == {"libfuse3"}
        mount.shell("echo line >> ingest")
        assert mount.contents() == [b"line"]
        mount.umount()
    finally:
        mount.clean_up()
