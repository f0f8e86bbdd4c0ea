"""The standard streams of a process: stdin, stdout and stderr."""

import os
import sys

__all__ = ["open_missing", "silence_output"]


def open_missing() -> None:
    """Open those of the standard streams that the caller has closed, on nothing.

    Otherwise the next files that are opened, which may be those of a store, would be written to as stdout and stderr.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The system gives each file the lowest number that is free, and all lower ones are open.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            stream = os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False)
            setattr(sys, name, stream)


def silence_output() -> None:
    """Let nothing more be written to stdout, so that its end does not fail, too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
