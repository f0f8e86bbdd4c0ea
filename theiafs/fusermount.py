"""The configuration of fusermount, libfuse's helper, by which users other than root mount."""

import os
from pathlib import Path

__all__ = ["missing_consent"]

_CONFIGURATION = Path("/etc/fuse.conf")
_CONSENT = "user_allow_other"


def missing_consent(option: str) -> str:
    """Return what a user lacks to mount with *option*, which gives others access, and what to do; empty if nothing.

    Root and processes with its capability to mount need no helper: ask only after a mount has failed.
    """
    if os.getuid() == 0:
        return ""
    try:
        lines = _CONFIGURATION.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # the helper treats it as empty, too
        lines = []
    if _CONSENT in (line.partition("#")[0].strip() for line in lines):
        return ""
    return (
        f"{option} is for root, unless {_CONFIGURATION} has the line {_CONSENT}"
        f" (as root: echo {_CONSENT} >> {_CONFIGURATION}); or leave {option} out"
    )
