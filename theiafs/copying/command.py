"""The command ``theiafs copy``."""

import argparse
import contextlib
import signal
import sys
import threading
from functools import partial

from store import Backend, EventStoreException, Opening, StoreLocked
from theiafs.copying.copier import Copier
from theiafs.copying.position import state_name
from theiafs.errors import ImportFailed
from theiafs.importing.destination import open_destination, take_turn
from theiafs.importing.interruption import Interruption
from theiafs.progress import Progress, copy_of_terminal
from theiafs.rendering.escaping import printable
from theiafs.stores import add_store_argument, store_at

__all__ = ["add_copy_parser", "run_copy"]

_DESCRIPTION = """\
Copy the events of a store into another one, which may have others, and may be a store of another kind. Each is copied
once, with its id, time, source, tags and content as they are: copying again adds only what is new, and a copy that was
interrupted or killed can be run again to go on.

Of a store that is mounted, what is flushed is copied. A destination that is mounted gets the events through its mount.
"""

_EPILOG = """\
In each minute, the order of arrival stays. What was removed from the destination is copied again only with its
minute, when more has arrived in that, or with --all. To a mount, everything is compared each time, for it has no place to note how far a copy came.

exit status: 0 if everything is in the destination, 1 if not, 130 if interrupted (what was copied stays)
"""

_INTERVAL_S = 1.0


def add_copy_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the parser of the command to *commands*."""
    parser = commands.add_parser(
        "copy",
        help="copy the events of one store into another",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="compare all events, not only those that have arrived since the last copy",
    )
    parser.add_argument(
        "-f", action="store_true", help="go on with what arrives, until interrupted"
    )
    add_store_argument(parser)
    parser.add_argument(
        "target",
        metavar="DEST",
        help="another such directory, made if it does not exist, or where it is mounted",
    )


def run_copy(parsed: argparse.Namespace) -> int:
    """Run the command with the arguments *parsed*, and return its exit status."""
    try:
        _copy(parsed.store, parsed.target, compares_all=parsed.all, follows=parsed.f)
    except (ImportFailed, EventStoreException) as error:
        print(f"theiafs: {printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"theiafs: interrupted; what was copied to {printable(parsed.target)} stays: run theiafs copy again to go on",
            file=sys.stderr,
        )
        return 128 + signal.SIGINT
    return 0


def _copy(source: str, destination: str, *, compares_all: bool, follows: bool) -> None:
    """Copy the events of the store *source* into *destination*, and print how many.

    Raises:
        ImportFailed: if the destination is none.
        EventStoreException: if one of them cannot be opened, or copying failed.
    """
    origin = store_at(source)
    if origin.identity == store_at(destination).identity:
        raise ImportFailed(f"{source} and {destination} are one store: give two")
    _flush(origin)
    turn = partial(take_turn, destination, partial(_say_that_it_waits, destination))
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(contextlib.closing(origin.open(Opening(is_read_only=True))))
        with turn():
            target = stack.enter_context(open_destination(destination, is_dry_run=False))
            interruption = stack.enter_context(Interruption())
            progress = stack.enter_context(Progress("copying", copy_of_terminal(), "minutes"))
            copier = Copier(opened, target, state_name(origin.identity), interruption)
            stack.callback(_print, copier, destination)
            copier.run(progress, compares_all=compares_all)
        while follows:
            threading.Event().wait(_INTERVAL_S)
            with turn():
                copier.run(progress)


def _say_that_it_waits(destination: str, process: str) -> None:
    print(
        f"theiafs: waiting until {process} has imported into {printable(destination)} (Ctrl-C, and theiafs copy later)",
        file=sys.stderr,
        flush=True,
    )


def _flush(store: Backend) -> None:
    """Let *store* have everything that was saved where it can be read, if the process that had it open was killed."""
    with contextlib.suppress(StoreLocked):  # the process that has it open flushes
        store.check(is_read_only=True)
        if not store.wait_until_closed(0):
            store.open(Opening()).close()


def _print(copier: Copier, destination: str) -> None:
    noun = "event" if copier.copied == 1 else "events"
    known = f", {copier.known:,} there already" if copier.known else ""
    damage = (
        f"; {copier.damaged_size:,} bytes left out that are no event" if copier.damaged_size else ""
    )
    print(
        f"{printable(destination)}: {copier.copied:,} {noun} copied ({copier.copied_size:,} bytes){known}{damage}",
        flush=True,
    )
