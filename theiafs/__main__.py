"""The entry point of the command, and of ``python -m theiafs``."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Ctrl-C during the imports, which take a third of a second, is no error in one of them.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from theiafs import cli, mount_helper

__all__ = ["run", "run_mount_helper"]


def run() -> int:
    """Run the command with the arguments of the process, and return its exit status."""
    _set_signals()
    return cli.main()


def run_mount_helper() -> int:
    """Run mount.theiafs with the arguments of the process, and return its exit status."""
    _set_signals()
    return mount_helper.main()


def _set_signals() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # End as other programs do when head(1) has read enough.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(run())
