"""The command line."""

import argparse
import sys
from collections.abc import Sequence

from theiafs import __version__
from theiafs.config import parse_options
from theiafs.errors import MountError
from theiafs.mounting import mount, unmount

__all__ = ["main"]

_OPTIONS_HELP = """\
options after -o, separated by commas:
  uid=USER, gid=GROUP    owner of all files (default: you)
  umask=MODE             permission bits to take away from all files (default: 022)
  max_event=SIZE         the largest event that can be appended, as 64K or 1M (default: 1M)
  flush=MS               milliseconds between flushes to the minute files (default: 1000); 0: at every write
  log=FILE               where a mount in the background logs
                         (default: /var/log/theiafs.log for root, else ~/.local/state/theiafs.log)
  allow_other            let other users in, within the permissions of the files
  allow_root, default_permissions, nosuid, nodev, noexec, noatime: see mount.fuse(8)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.command == "mount":
            mount(parsed.store, parsed.mountpoint, parse_options(",".join(parsed.o)), parsed.f)
        else:
            unmount(parsed.mountpoint)
    except MountError as error:
        print(f"theiafs: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="theiafs", description="Your logs as files.")
    parser.add_argument("--version", action="version", version=f"theiafs {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    mounting = commands.add_parser(
        "mount",
        help="mount a store",
        description="Mount the store in a directory; it is made when it is not there.",
        epilog=_OPTIONS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mounting.add_argument("store", metavar="STORE", help="directory of the minute files")
    mounting.add_argument("mountpoint", metavar="MOUNTPOINT", help="an empty directory")
    mounting.add_argument(
        "-f", action="store_true", help="stay in the foreground and log to stderr"
    )
    mounting.add_argument(
        "-o", action="append", default=[], metavar="OPT,OPT", help="options, see below"
    )
    unmounting = commands.add_parser(
        "umount", help="unmount a store", description="Unmount, and wait until all is written."
    )
    unmounting.add_argument("mountpoint", metavar="MOUNTPOINT")
    return parser
