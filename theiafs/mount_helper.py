"""The command mount.theiafs, which mount(8) runs for the type theiafs, as it runs those of other file systems."""

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from theiafs import cli
from theiafs.config import Settings, parse_options, without_unknown
from theiafs.errors import MountError
from theiafs.mounting import check

__all__ = ["main", "make_parser"]

# The statuses that mount(8) has for these.
_INCORRECT = 1
_FAILED = 32
_INTERRUPTED = 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, by default those of the process, and return its exit status."""
    parsed = make_parser().parse_args(arguments)
    options = ",".join(parsed.o)
    if parsed.s:
        options = without_unknown(options)
    try:
        settings = _settings(options, parsed.N)
    except MountError as error:
        print(f"mount.theiafs: {error}", file=sys.stderr)
        return _INCORRECT
    if parsed.v:
        print(f"mount.theiafs: {parsed.store} on {parsed.mountpoint} ({settings.options})")
    if parsed.f:
        try:
            check(parsed.store, parsed.mountpoint, settings)
        except MountError as error:
            print(f"mount.theiafs: {error}", file=sys.stderr)
            return _FAILED
        return 0
    status = cli.main(["mount", "-o", options, "--", parsed.store, parsed.mountpoint])
    return status if status in (0, _INTERRUPTED) else _FAILED


def _settings(options: str, namespace: str | None) -> Settings:
    """Parse *options*.

    Raises:
        MountError: if one is invalid, or the mount is to be made in another mount *namespace*.
    """
    if namespace:
        raise MountError(
            f"-N {namespace}: cannot mount in another namespace: enter it first (nsenter --mount={namespace} mount ...)"
        )
    return parse_options(options)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="mount.theiafs",
        description="Mount a store, for mount(8). Users run theiafs mount, or mount -t theiafs.",
    )
    parser.add_argument("store", metavar="STORE", help="directory of the minute files")
    parser.add_argument("mountpoint", metavar="MOUNTPOINT", help="an empty directory")
    parser.add_argument(
        "-o", action="append", default=[], metavar="OPT,OPT", help="options of theiafs mount"
    )
    parser.add_argument(
        "-f", action="store_true", help="do not mount, but check that it could be mounted"
    )
    parser.add_argument(
        "-n", action="store_true", help="ignored: there is no list of mounts to write to"
    )
    parser.add_argument("-s", action="store_true", help="ignore unknown options")
    parser.add_argument("-v", action="store_true", help="say what is done")
    parser.add_argument("-N", metavar="NAMESPACE", help="refused: enter the namespace first")
    parser.add_argument("-t", metavar="TYPE", help="ignored: theiafs, or fuse.theiafs")
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that ends the process with mount(8)'s status if the arguments are wrong."""

    def error(self, message: str) -> NoReturn:
        """See :meth:`argparse.ArgumentParser.error`."""
        usage = " ".join(self.format_usage().split())
        self.exit(_INCORRECT, f"{self.prog}: {message}; {usage}\n")
