"""The command line."""

import argparse
import contextlib
import difflib
import gc
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from tqdm import tqdm

from store import Audit, EventStoreException, Opening, backend_of, cores, open_store, reindex
from theiafs import __version__
from theiafs.backup import add_backup_parser, run_backup
from theiafs.browsing import Browser
from theiafs.config import parse_options
from theiafs.copying.command import add_copy_parser, run_copy
from theiafs.errors import FilesystemError, MountError
from theiafs.excerpt import Excerpt
from theiafs.importing import command as importing
from theiafs.mounting import mount
from theiafs.progress import Progress, copy_of_terminal
from theiafs.pruning import add_prune_parser, run_prune
from theiafs.rendering.escaping import printable
from theiafs.standard_streams import open_missing, silence_output
from theiafs.unmounting import remove_stale, unmount

__all__ = ["main", "make_parser"]

_GC_THRESHOLDS = (20_000, 10, 10)

_OPTIONS_HELP = """\
options after -o, separated by commas:
  uid=USER, gid=GROUP    owner of all files (default: you)
  umask=MODE             permission bits to take away from all files (default: 022; with ingest_mode, 077)
  ingest_mode=MODE       permission bits of the ingest files, whatever the umask: 0222 lets all users append and none
                         read; those that may append may pass through directories
  max_event=SIZE         size of the longest line, or record without its first line, that can be appended,
                         such as 64K or 1M (default: 1M)
  flush=MS               milliseconds between flushes to the minute files (default: 1000); 0: at every write
  memory=SIZE            memory for what is known of the store, and caches (default: 256M)
  log_keep=SIZE          the write-ahead log keeps at most this much of what is flushed (default: 1G)
  timeout=SECONDS        how long ClickHouse may take to answer, and to store what is written (default: 30)
  spool=DIR              what is written for ClickHouse is stored in this directory first, and sent on in the background,
                         so that it can be written while ClickHouse is away
  ttl=DAYS               ClickHouse removes events this long after they arrived, such as 30d; without it, that stays as it is
  quorum=NUMBER          a write to ClickHouse returns when this many of its replicas have it; auto: most of them
  strict                 what other mounts of ClickHouse have stored shows at once, not within a second; each request costs
                         a question more; implies attr_timeout=0
  attr_timeout=SECONDS   how long the kernel may show a size or a time of a file that has grown since (default: 1);
                         with 0, tail(1) and stat(1) see at once what was just appended, which costs a request each
  tz=ZONE                zone of times without an offset, such as Europe/Berlin, and of the days in by-date (default: UTC)
  keys=NAME,NAME         fields of lines in formats that become tags, such as status,method: status=500
  sync                   a write returns when its events are durable, even after a loss of power
  delete                 let rm remove minutes/<start>-<end>, a minute, by-id/<id>, an event, and
                         by-tag/<tag>/range/<range>/events, all events there
  ro                     read-only: follow what another process flushes to the store
  log=FILE               log file of a mount in the background
                         (default: /var/log/theiafs.log for root, else ~/.local/state/theiafs.log)
  binding=NAME           fusepy (libfuse 2) or mfusepy (libfuse 3); default: the environment variable
                         THEIAFS_BINDING, or else the first of the two with its libfuse installed
  allow_other            give other users access, within the permissions of the files; if you are not root,
                         /etc/fuse.conf must have the line user_allow_other
  allow_root, default_permissions, nosuid, nodev, noexec, noatime: see mount.fuse(8)
  async, rw              the contrary of sync and ro
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, by default those of the process, and return its exit status."""
    # Garbage collections, of which there are many while an index is built, need not traverse all modules; and what a store
    # keeps of its minutes is no garbage: with the thresholds of Python, looking for some takes a fifth of the time.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    open_missing()
    try:
        try:
            parser, commands = make_parser()
            given = sys.argv[1:] if arguments is None else arguments
            if given and not given[0].startswith("-") and given[0] not in commands:
                if not _is_store(given[0]):
                    parser.error(_unknown_command(given[0], commands))
                given = ["mount", *given]
            return _run(parser.parse_args(given))
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except MountError as error:
        print(f"theiafs: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # those of files have become other errors before they arrive here
        silence_output()
        print(
            f"theiafs: cannot write the output: {error.strerror}; send it elsewhere",
            file=sys.stderr,
        )
        return 2


def _is_store(word: str) -> bool:
    """Return whether *word*, where a command is expected, is the store of a mount.

    For the type fuse.theiafs, mount(8) runs ``theiafs STORE MOUNTPOINT -o OPTIONS``. A store that does not exist yet has a slash:
    a mistyped command would make one otherwise.
    """
    return os.sep in word or os.path.isdir(word)


def _unknown_command(word: str, commands: Iterable[str]) -> str:
    """Return the message about a *word* that is none of *commands*."""
    names = list(commands)
    near = "".join(f", perhaps {each}" for each in difflib.get_close_matches(word, names, 1))
    return (
        f"unknown command {printable(word)}{near}; there are {', '.join(names)}"
        f" (to mount a store of that name: theiafs mount ./{printable(word)} MOUNTPOINT)"
    )


def _run(parsed: argparse.Namespace) -> int:
    """Run the command that was *parsed*, and return its exit status.

    Raises:
        MountError: if it cannot be done.
        OSError: if its output cannot be written.
    """
    match parsed.command:
        case "mount":
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            mount(parsed.store, parsed.mountpoint, parse_options(",".join(parsed.o)), parsed.f)
        case "umount":
            if parsed.stale:
                remove_stale(parsed.mountpoint)
            else:
                unmount(parsed.mountpoint, parsed.lazy, parsed.timeout)
        case "import":
            return importing.run(parsed)
        case "backup":
            return run_backup(parsed)
        case "copy":
            return run_copy(parsed)
        case "prune":
            return run_prune(parsed)
        case "reindex":
            return _reindex(parsed.store)
        case "check":
            return _check(parsed.store, parsed.repair)
        case "ls":
            show = partial(_list, shows_hidden=parsed.a)
            return _browse(parsed.store, parsed.path or [""], show)
        case "cat":
            return _browse(parsed.store, parsed.path, partial(_print, follows=parsed.f))
    return 0


def _check(store: str, to_repair: bool) -> int:
    """Audit *store*, and repair it if *to_repair*.

    Returns:
        0 if there is no damage, 1 if damage was found, 2 if the audit failed.
    """
    excerpt = Excerpt()
    try:
        with (
            Audit(backend_of(store).directory, to_repair, process_count=cores()) as audit,
            # disable=None: only on a terminal.
            tqdm(total=audit.size, unit="B", unit_scale=True, disable=None, leave=False) as bar,
        ):
            for finding in audit.run(bar.update):
                if excerpt.add(finding):
                    with bar.external_write_mode():
                        print(printable(str(finding)))
        for line in excerpt.rest():
            print(f"{printable(store)}: {line}")
    except EventStoreException as error:
        print(f"theiafs: {printable(str(error))}", file=sys.stderr)
        return 2
    if audit.is_in_use:
        print(
            f"theiafs: store {printable(store)} is in use: its write-ahead log was not checked; unmount it to check all of it",
            file=sys.stderr,
        )
    return 0 if excerpt.is_empty else 1


def _reindex(store: str) -> int:
    """Rebuild the index of *store*, and return the exit status."""
    try:
        with Progress("indexing", copy_of_terminal()) as progress:
            minutes = reindex(backend_of(store).directory, progress, cores())
    except EventStoreException as error:
        print(f"theiafs: {printable(str(error))}", file=sys.stderr)
        return 1
    print(f"{minutes} minute files indexed")
    return 0


def _browse(store: str, paths: Sequence[str], show: Callable[[Browser, str], None]) -> int:
    """Call *show* for each of *paths* of *store*, and return the exit status: 1 if one of them failed."""
    failures = 0
    try:
        with contextlib.closing(open_store(store, Opening(is_read_only=True))) as opened:
            browser = Browser(opened)
            for path in paths:
                try:
                    show(browser, path)
                except (FilesystemError, EventStoreException) as error:
                    print(f"theiafs: {printable(str(error))}", file=sys.stderr)
                    failures += 1
    except EventStoreException as error:
        print(f"theiafs: {printable(str(error))}", file=sys.stderr)
        failures += 1
    return 1 if failures else 0


def _list(browser: Browser, path: str, shows_hidden: bool) -> None:
    for name in browser.entries(path, shows_hidden):
        sys.stdout.buffer.write(f"{name}\n".encode())
    sys.stdout.buffer.flush()


def _print(browser: Browser, path: str, follows: bool) -> None:
    browser.print(path, sys.stdout.buffer, follows)


def make_parser() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser of the command line, and those of its commands by name."""
    parser = argparse.ArgumentParser(prog="theiafs", description="Your logs as files.")
    parser.add_argument("--version", action="version", version=f"theiafs {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    mounting = commands.add_parser(
        "mount",
        help="mount a store",
        description="Mount a store on a directory. The store is made, for you alone, if it does not exist; the directory must exist.",
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
        "umount",
        help="unmount a store",
        description="Unmount, and wait until everything is written.",
    )
    unmounting.add_argument(
        "--lazy",
        action="store_true",
        help="also if it is in use or does not answer, and wait for nothing",
    )
    unmounting.add_argument(
        "--stale",
        action="store_true",
        help="only if its process has ended without unmounting it, as after kill -9; anything else stays as it is",
    )
    unmounting.add_argument(
        "--timeout",
        type=float,
        default=math.inf,
        metavar="SECONDS",
        help="wait no longer than this until everything is written; it goes on being written (default: no limit)",
    )
    unmounting.add_argument("mountpoint", metavar="MOUNTPOINT")
    importer = commands.add_parser(
        "import",
        help="import old logs",
        description=importing.DESCRIPTION,
        epilog=importing.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    importing.add_arguments(importer)
    add_backup_parser(commands)
    add_copy_parser(commands)
    add_prune_parser(commands)
    reindexing = commands.add_parser(
        "reindex",
        help="rebuild the index of a store",
        description="Read all minute files, and rebuild the index of the store. Mounting does that by itself if"
        " the index is lost or outdated; the store must not be mounted, except with -o ro.",
    )
    reindexing.add_argument("store", metavar="STORE", help="directory of the minute files")
    listing = commands.add_parser(
        "ls",
        help="list what is in a store, without a mount",
        description="List directories of the tree, as on a mount; of a store that is mounted, what is flushed.",
    )
    listing.add_argument("-a", action="store_true", help="list hidden links too")
    listing.add_argument("store", metavar="STORE", help="directory of the minute files")
    listing.add_argument(
        "path", metavar="PATH", nargs="*", help="such as by-tag/web; default: the root"
    )
    printing = commands.add_parser(
        "cat",
        help="print what is in a store, without a mount",
        description="Print files of the tree, as on a mount; of a store that is mounted, what is flushed.",
    )
    printing.add_argument(
        "-f", action="store_true", help="go on with what arrives, until interrupted"
    )
    printing.add_argument("store", metavar="STORE", help="directory of the minute files")
    printing.add_argument("path", metavar="PATH", nargs="+", help="such as by-tag/web/events")
    checking = commands.add_parser(
        "check",
        help="look for damage in a store",
        description="Look for damage in a store, and print it as FILE:OFFSET: DAMAGE: the first 100 places of each kind,"
        " and how many more there are.",
        epilog="exit status: 0 if there is none, 1 if damage was found, 2 if the store could not be checked",
    )
    checking.add_argument("store", metavar="STORE", help="directory of the minute files")
    checking.add_argument(
        "--repair",
        action="store_true",
        help="replay the write-ahead log, remove leftovers of crashes, and move bytes that are not an event to"
        " STORE/.theiafs/quarantine; every whole event stays",
    )
    return parser, commands.choices
