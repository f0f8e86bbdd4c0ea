"""The command ``theiafs import``."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence
from datetime import tzinfo

from tqdm import tqdm

from store import EventStoreException, InvalidEvent, Query
from store.format.faults import line_fault, tag_fault
from store.format.record import encode_key
from theiafs.addition import Addition
from theiafs.config import parse_options
from theiafs.errors import ImportFailed, MountError
from theiafs.importing.destination import Destination, open_destination, take_turn
from theiafs.importing.importer import Importer
from theiafs.importing.inputs import Input
from theiafs.importing.interruption import Interruption
from theiafs.importing.logfile import AUTO, FORMAT_NAMES, LogFile
from theiafs.importing.multiline import Multiline
from theiafs.importing.reader_process import ReaderProcess
from theiafs.importing.rotation import in_order
from theiafs.importing.summary import Summary
from theiafs.rendering.escaping import printable

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "run"]

DESCRIPTION = """\
Import old logs: every line, or record of several lines, becomes an event with its own time, source and level.
The files may be compressed (gzip, xz, zstd, bzip2). Importing again adds only what is new, so a file that has
grown can be imported as it is, and an import that was interrupted can be run again.

Give the files of a rotated log in one command, in any order: app.log.2.gz app.log.1 app.log. They are read in
the order of their times, so that the same lines are told apart in the same way each time.
"""

EPILOG = """\
An event is new if the store has none with its id, which follows from its time, source, tags and content, and from
its place among equal ones in all files of the command. So import a log with the same options each time.

Imports into one store take turns: a second one waits for the first, so that it finds what that has added.

A line without a time has that of the line before it. A year that is missing is the last one that puts the time
before the last change of the file.

exit status: 0 if everything in all files is in the store, 1 if something was left out: a line that is too long, damage, a file or
the rest of one that cannot be read; 130 if interrupted (what was saved stays)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to *parser*."""
    parser.add_argument(
        "destination",
        metavar="STORE|MOUNT",
        help="directory of the minute files, made if it does not exist, or a mountpoint; a store that is mounted gets"
        " the events through its mount",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a log; - is standard input")
    parser.add_argument(
        "--format",
        choices=FORMAT_NAMES,
        default=AUTO,
        help="format of all files: dated, a time at the start of each line; lines, any text, with the time of the last"
        " change of the file; theia, records as in minute files; default: auto, the one that most of the first 250"
        " events of a file are in",
    )
    parser.add_argument(
        "--source", help="source of all events; default: what they say, else the name of the file"
    )
    parser.add_argument(
        "--tag", action="append", default=[], help="tag of all events; may be given several times"
    )
    parser.add_argument(
        "--keys",
        metavar="NAME,NAME",
        help="fields that become tags, such as status,method: status=500",
    )
    parser.add_argument(
        "--tz",
        metavar="ZONE",
        help="zone of times without an offset, such as Europe/Berlin; default: UTC",
    )
    parser.add_argument(
        "--multiline",
        metavar="RULE",
        default="auto",
        help="lines that continue the one before: auto, indented ones, stack traces and the like; none; or"
        " start=REGEX, all that do not match; default: auto",
    )
    parser.add_argument(
        "--max-event",
        metavar="SIZE",
        default="1M",
        help="size of the largest event; a longer line is left out; default: 1M",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="save nothing; say what would be imported"
    )


def run(parsed: argparse.Namespace) -> int:
    """Run the command with the *parsed* arguments, and return its exit status."""
    try:
        return _Command(parsed).run()
    except (ImportFailed, EventStoreException) as error:
        _complain(error)
        return 1
    except KeyboardInterrupt:
        print(
            "theiafs: interrupted; what was saved stays: import again to go on",
            file=sys.stderr,
        )
        return 128 + signal.SIGINT


class _Command:
    """One run of the command.

    Args:
        parsed: the arguments.

    Raises:
        ImportFailed: if one of them is invalid.
    """

    def __init__(self, parsed: argparse.Namespace) -> None:
        self._address: str = parsed.destination
        self._names: list[str] = parsed.files
        self._format: str = parsed.format
        self._is_dry_run: bool = parsed.dry_run
        self._multiline = Multiline(parsed.multiline)
        self._addition = _addition(parsed.source, parsed.tag)
        options = [f"max_event={parsed.max_event}"]
        options += [f"tz={parsed.tz}"] if parsed.tz is not None else []
        options += [f"keys={parsed.keys}"] if parsed.keys is not None else []
        try:
            settings = parse_options(",".join(options))
        except MountError as error:
            raise ImportFailed(str(error)) from error
        self._zone: tzinfo = settings.zone
        self._keys = settings.keys
        self._event_size_max = settings.event_size_max
        self._summaries: dict[str, Summary] = {}

    def run(self) -> int:
        """Import all files that can be, say of the others why not, and return the exit status."""
        files = self._open()
        for file in files:
            print(f"{printable(file.input.name)}: {file.note}", file=sys.stderr)
        if files:
            with (
                ReaderProcess() as reader,
                self._turn(),
                open_destination(self._address, self._is_dry_run) as destination,
            ):
                self._import(destination, reader, files)
        return 0 if Summary.total(self._summaries.values()).is_complete else 1

    def _open(self) -> list[LogFile]:
        """Open the files that have a format, in the order of their times."""
        files: dict[Input, LogFile] = {}
        for name in self._names:
            try:
                input_ = Input(name, self._event_size_max)
            except ImportFailed as error:
                self._refuse(name, error)
                continue
            try:
                files[input_] = LogFile(
                    input_,
                    self._format,
                    self._zone,
                    self._keys,
                    self._multiline,
                    self._event_size_max,
                )
            except ImportFailed as error:
                input_.close()
                self._refuse(name, error)
        return [files[each] for each in in_order(list(files), lambda each: files[each].first_ticks)]

    def _import(
        self, destination: Destination, reader: ReaderProcess, files: Sequence[LogFile]
    ) -> None:
        """Import *files*, whose lines *reader* reads, into *destination*, and print the summary of all that were, or were begun."""
        total = sum(file.input.size or 0 for file in files)
        with Interruption() as interruption:
            importer = Importer(
                destination,
                reader,
                self._addition,
                self._multiline,
                self._event_size_max,
                interruption,
                self._is_dry_run,
            )
            try:
                # disable=None: only on a terminal.
                with tqdm(total=total, unit="B", unit_scale=True, disable=None, leave=False) as bar:
                    for file in files:
                        name = file.input.name
                        try:
                            importer.run(file, self._summary(name), bar.update)
                        except ImportFailed as error:
                            with bar.external_write_mode():
                                self._refuse(name, error)
            finally:
                with interruption.deferred():
                    try:
                        destination.close()
                    finally:
                        self._print()

    def _turn(self) -> contextlib.AbstractContextManager[None]:
        """Return the turn to import, which nothing needs that saves nothing."""
        if self._is_dry_run:
            return contextlib.nullcontext()
        return take_turn(self._address, self._wait)

    def _wait(self, process: str) -> None:
        """Say that *process* is waited for."""
        print(
            f"theiafs: waiting until {process} has imported into {printable(self._address)} (Ctrl-C to import later)",
            file=sys.stderr,
            flush=True,
        )

    def _summary(self, name: str) -> Summary:
        """Return the summary of the file *name*."""
        return self._summaries.setdefault(name, Summary())

    def _refuse(self, name: str, error: ImportFailed) -> None:
        """Note that the file *name* was not read to its end because of *error*."""
        self._summary(name).unread += 1
        _complain(error)

    def _print(self) -> None:
        for name, summary in self._summaries.items():
            print(summary.text(printable(name), self._is_dry_run))
        if len(self._summaries) > 1:
            total = Summary.total(self._summaries.values())
            print(total.text("total", self._is_dry_run))
        sys.stdout.flush()


def _addition(source: str | None, tags: list[str]) -> Addition:
    """Return what is said of every event: *source*, if it is given, and *tags*.

    Raises:
        ImportFailed: if no event can have them.
    """
    faults = [f"the tag {tag!r} {fault}" for tag in tags if (fault := tag_fault(tag))]
    if fault := line_fault(source or ""):
        faults.append(f"the source {source!r} {fault}")
    if faults:
        raise ImportFailed(
            f"--source or --tag: {faults[0]}; give another, and --tag once for each tag"
        )
    try:
        encode_key(source or "", tags)
    except InvalidEvent as error:
        raise ImportFailed(f"--source or --tag: {error}") from error
    return Addition(list(dict.fromkeys(tags)), source, Query())


def _complain(error: Exception) -> None:
    print(f"theiafs: {printable(str(error))}", file=sys.stderr)
