"""The command ``theiafs prune``: it removes old events, by minutes."""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from store import (
    TICKS_PER_S,
    Backend,
    EventStoreException,
    EventWriteException,
    Opening,
    Query,
    Span,
    StoreLocked,
    in_decimal,
    remove_minute_files,
)
from store.format.faults import tag_fault
from theiafs.config import parse_size
from theiafs.names import escape
from theiafs.progress import Progress, copy_of_terminal
from theiafs.rendering.escaping import printable
from theiafs.stores import add_store_argument, mount_of, store_at
from theiafs.timerange import now_in_ticks, parse_duration

__all__ = ["add_prune_parser", "run_prune"]

_DESCRIPTION = """\
Remove old events: minutes all of whose events are older than a time, and the oldest ones of a store that is larger than a
size. With --tag, only the events with this tag in such minutes; then the size is that of the events with the tag. The newest
minute is never too large.

The store may be mounted: minute files are removed from it. With --tag, events are removed through the mount, which needs -o
delete for that; otherwise unmount it first.
"""

_EPILOG = """\
exit status: 0 if everything that was to be removed is, 1 if not, as where there is no such store, 2 if the arguments are wrong
"""

_SIZE_MAX = 1 << 62
_REMOVED_AT_ONCE = 256


class _Limits(NamedTuple):
    """The limits of what is kept.

    Attributes:
        oldest: the ticks of the oldest event that is kept whatever the size; 0 if age does not matter.
        size: the bytes that are kept at most.
    """

    oldest: int
    size: int

    def surplus(self, spans: Sequence[Span]) -> list[Span]:
        """Return those of *spans*, which are sorted by start, that have to go."""
        gone = [each for each in spans if max(each.newest, _end(each)) < self.oldest]
        kept = [each for each in spans if max(each.newest, _end(each)) >= self.oldest]
        size = sum(each.size for each in kept)
        for each in kept[:-1]:
            if size <= self.size:
                break
            gone.append(each)
            size -= each.size
        return gone


def _end(span: Span) -> int:
    """Return the end of the minute of *span*, in ticks."""
    return int(span.name.partition("-")[2]) * TICKS_PER_S


def add_prune_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the parser of the command to *commands*."""
    parser = commands.add_parser(
        "prune",
        help="remove old events",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--older", type=_age, metavar="AGE", help="what is older, such as 30d (s, m, h, d, w)"
    )
    parser.add_argument(
        "--larger",
        type=_size,
        metavar="SIZE",
        help="the oldest of what is more, such as 10G (K, M, G, T)",
    )
    parser.add_argument("--tag", metavar="TAG", help="only events with this tag")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="remove nothing; print the minutes, with the number of events and bytes in each that would go",
    )
    add_store_argument(parser)


def _age(text: str) -> int:
    if re.fullmatch("0+[smhdw]", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} would be the age of everything: give 1s, to remove all minutes that have ended"
        )
    ticks = parse_duration(text)
    if ticks is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age, such as 30d")
    return ticks


def _size(text: str) -> int:
    if re.fullmatch("0+[KMGT]?", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} would leave nothing, and the newest minute always stays: give 1, to keep only that"
        )
    try:
        return parse_size(text, _SIZE_MAX)
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no size, such as 10G") from None


def run_prune(parsed: argparse.Namespace) -> int:
    """Run the command with the arguments *parsed*, and return its exit status."""
    if parsed.older is None and parsed.larger is None:
        print(
            f"theiafs: nothing to remove from {printable(parsed.store)}: give --older, --larger, or both",
            file=sys.stderr,
        )
        return 2
    oldest = 0 if parsed.older is None else now_in_ticks() - parsed.older
    limits = _Limits(oldest, _SIZE_MAX if parsed.larger is None else parsed.larger)
    if parsed.tag is not None and (fault := tag_fault(parsed.tag)):
        print(
            f"theiafs: --tag: the tag {parsed.tag!r} {fault}; give one that events have",
            file=sys.stderr,
        )
        return 2
    try:
        _prune(store_at(parsed.store), limits, parsed.tag, parsed.dry_run)
    except EventStoreException as error:
        print(f"theiafs: {printable(str(error))}", file=sys.stderr)
        return 1
    return 0


def _prune(store: Backend, limits: _Limits, tag: str | None, is_dry_run: bool) -> None:
    """Prune *store* to *limits*, all of it or the events with *tag*.

    Raises:
        EventStoreException: if that was not possible.
    """
    query = Query() if tag is None else Query().tagged(tag)
    with contextlib.closing(store.open(Opening(is_read_only=True))) as opened:
        surplus = limits.surplus(opened.snapshot(query).spans)
    if is_dry_run:
        for each in surplus:
            print(f"{each.name}\t{each.events}\t{each.size}")
    elif surplus:
        surplus = _remove(store, limits, query, tag, surplus)
    events, size = sum(each.events for each in surplus), sum(each.size for each in surplus)
    verb = "would be removed" if is_dry_run else "removed"
    print(f"{verb}: {events:,} events of {len(surplus):,} minutes, {size:,} bytes")


def _remove(
    store: Backend, limits: _Limits, query: Query, tag: str | None, surplus: list[Span]
) -> list[Span]:
    """Remove what answers *query*, the events with *tag* if there is one, in the minutes *surplus*.

    Returns:
        The minutes of which it was removed: where no other process has *store* open, those that are beyond *limits* now.

    Raises:
        EventStoreException: if that was not possible.
    """
    with Progress("removing", copy_of_terminal()) as progress:
        try:
            opened = store.open(Opening())
        except StoreLocked:
            if tag is None:
                directory = store.directory
                _in_batches(lambda names: remove_minute_files(directory, names), surplus, progress)
            else:
                _remove_through_mount(store, tag, surplus, progress)
            return surplus
        with contextlib.closing(opened):
            surplus = limits.surplus(opened.snapshot(query).spans)
            if tag is None:
                _in_batches(opened.remove_minutes, surplus, progress)
            else:
                for done, each in enumerate(surplus, 1):
                    opened.remove_events(query, each.name)
                    progress(done, len(surplus))
        return surplus


def _in_batches(
    remove: Callable[[Sequence[str]], object], surplus: Sequence[Span], progress: Progress
) -> None:
    """Call *remove* with the names of the minutes *surplus*, several at a time."""
    names = [each.name for each in surplus]
    for first in range(0, len(names), _REMOVED_AT_ONCE):
        some = names[first : first + _REMOVED_AT_ONCE]
        remove(some)
        progress(first + len(some), len(names))


def _remove_through_mount(
    store: Backend, tag: str, surplus: Sequence[Span], progress: Progress
) -> None:
    """Remove the events with *tag* in the minutes *surplus* through the mount of *store*.

    Raises:
        EventStoreException: if that was not possible.
    """
    mount = mount_of(store)
    if mount is None:
        raise StoreLocked(f"{store.name} is in use by another process: end that, to remove by tag")
    directory = os.path.join(mount.mountpoint, "by-tag", escape(tag), "range")
    for done, each in enumerate(surplus, 1):
        start = int(each.name.partition("-")[0]) * TICKS_PER_S
        last = max(each.newest, _end(each) - 1)
        path = os.path.join(directory, f"@{in_decimal(start)}..@{in_decimal(last)}", "events")
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue  # no event has the tag any more
        except PermissionError as error:
            raise EventWriteException(
                f"{store.name} is mounted on {mount.mountpoint} without -o delete:"
                " unmount it, or mount it with that, to remove by tag"
            ) from error
        except OSError as error:
            raise EventWriteException(f"cannot remove {path}: {error.strerror}") from error
        finally:
            progress(done, len(surplus))
