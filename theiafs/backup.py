"""The command ``theiafs backup``."""

import argparse
import sys

from store import Backup, EventStoreException, backend_of
from theiafs.progress import Progress, copy_of_terminal
from theiafs.rendering.escaping import printable
from theiafs.stores import add_store_argument, store_at

__all__ = ["add_backup_parser", "run_backup"]

_DESCRIPTION = """\
Copy a store, which may be mounted, to another directory, which is a store itself at any instant, also if this is
interrupted or killed. It has every event that was saved before the command began. A second backup to the same
directory copies what is new or has changed.

To restore it, copy it back: cp -a DEST STORE.
"""

_EPILOG = """\
exit status: 0 if everything is in DEST, 1 if files could not be copied, 2 if there is no backup
"""


def add_backup_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the parser of the command to *commands*."""
    parser = commands.add_parser(
        "backup",
        help="copy a store, also while it is mounted",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--delete",
        action="store_true",
        help="remove from DEST what STORE has no more: minutes, and saved views",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare files that are in DEST already byte by byte, not only by size and time",
    )
    add_store_argument(parser)
    parser.add_argument(
        "target", metavar="DEST", help="an earlier backup, or a new or empty directory"
    )


def run_backup(parsed: argparse.Namespace) -> int:
    """Run the command with the arguments *parsed*, and return its exit status."""
    failures = 0
    try:
        source, target = store_at(parsed.store).directory, backend_of(parsed.target).directory
        backup = Backup(source, target, parsed.delete, parsed.verify)
        with Progress("copying", copy_of_terminal()) as progress:
            for error in backup.run(progress):
                failures += 1
                print(f"theiafs: {printable(str(error))}", file=sys.stderr)
    except EventStoreException as error:
        print(f"theiafs: {printable(str(error))}", file=sys.stderr)
        return 2
    removed = f", {backup.removed:,} removed" if backup.removed else ""
    failed = f", {failures:,} failed" if failures else ""
    print(
        f"{printable(parsed.target)}: {backup.copied:,} minute files copied ({backup.copied_size:,} bytes),"
        f" {backup.unchanged:,} unchanged{removed}{failed}"
    )
    return 1 if failures else 0
