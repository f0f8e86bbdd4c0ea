"""The peers: what a user would pick instead, as its users would run it."""

import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from benchmark.answers import count_lines, count_openings, counted, timed
from benchmark.commands import printed
from benchmark.data import Data
from benchmark.events import Event, Extent, frame, minute_events
from benchmark.table import Measurement

__all__ = [
    "BATCH_ROWS",
    "contents",
    "drain",
    "goaccess",
    "import_journal",
    "journal",
    "jq_times",
    "json_loads",
    "lnav",
    "query_journal",
    "query_plain_files",
    "query_sqlite",
    "search_journal",
    "search_plain_files",
    "sqlite_database",
    "sqlite_insert",
    "tags_line",
    "theia_save",
    "theia_search",
    "versions",
]

_JOURNAL_REMOTE = "/lib/systemd/systemd-journal-remote"
BATCH_ROWS = 10_000

_TOOLS = {"journalctl": 2, "bindfs": 2, "rg": 2, "jq": 1, "goaccess": 2, "lnav": 2}
"""By the names of tools, how many words of what ``--version`` prints say the name and the version."""


def versions() -> str:
    """Return the names and versions of the installed peers."""
    tools = [
        " ".join(printed([tool, "--version"]).replace(" - ", " ").split()[:words])
        for tool, words in _TOOLS.items()
    ]
    packages = [f"{name} {version(name)}" for name in ("theia", "fusepy", "drain3")]
    restic = " ".join(printed(["restic", "version"]).split()[:2])
    return ", ".join([*tools, restic, f"SQLite {sqlite3.sqlite_version}", *packages])


def journal(data: Data, extent: Extent) -> Path:
    """Return the directory of a journal with the events of *extent*."""
    export = data.journal_export(extent)

    def make(path: Path) -> None:
        path.mkdir()
        import_journal(export, path)

    return data.made(f"journal-{extent}", make)


def import_journal(export: Path, directory: Path) -> Measurement:
    """Import *export*, which is in journald's export format, with systemd-journal-remote."""
    seconds = timed(f"{_JOURNAL_REMOTE} --output={directory}/day.journal - <{export} 2>&1")
    # The entry at which it begins another file is in both; all our events have times of their own.
    times = f"journalctl --quiet -D {directory} -o short-unix | cut -d ' ' -f 1 | uniq"
    return Measurement(seconds, counted(times, count_lines).events)


def query_journal(directory: Path) -> Measurement:
    """Query the journal in *directory* for all messages with the tag ``web``."""
    return counted(f"journalctl --directory {directory} TAG=web -o cat", count_lines)


def search_journal(directory: Path, pattern: str) -> Measurement:
    """Search the messages of the journal in *directory* for *pattern*."""
    return counted(f"journalctl --directory {directory} -g '{pattern}' -o cat", count_lines)


def search_plain_files(store: Path, pattern: str) -> Measurement:
    """Find all lines in *store* that match *pattern* by ripgrep."""
    return counted(f"exec rg -I '{pattern}' {store}", count_lines)


def contents(data: Data, extent: Extent) -> Path:
    """Return the path of a file with the contents of *extent*, one a line."""

    def make(path: Path) -> None:
        with path.open("w", encoding="ascii", newline="") as file:
            for minute in range(extent.minutes):
                file.writelines(f"{event.content}\n" for event in minute_events(extent, minute))

    return data.made(f"contents-{extent}", make)


def drain(contents: Path) -> Measurement:
    """Generalise the lines of *contents* to templates with drain3, with its default options."""
    seconds, events = printed([sys.executable, "-m", "benchmark.drain_peer", str(contents)]).split()
    return Measurement(float(seconds), int(events))


def jq_times(log: Path) -> Measurement:
    """Show the member ``time`` of each object in *log* by jq."""
    return counted(f"exec jq -c .time {log}", count_lines)


def json_loads(log: Path) -> Measurement:
    """Decode each line of *log* by Python's json, without the start of Python."""
    started = time.perf_counter()
    with log.open("rb") as file:
        count = sum(1 for _ in map(json.loads, file))
    return Measurement(time.perf_counter() - started, count)


def goaccess(log: Path, directory: Path) -> Measurement:
    """Report on the access log *log* by goaccess."""
    report = directory / "report.json"
    seconds = timed(f"exec goaccess {log} --log-format=COMBINED --no-progress -o {report}")
    general = json.loads(report.read_bytes())["general"]
    return Measurement(seconds, general["valid_requests"])


def lnav(log: Path, pattern: str = "") -> Measurement:
    """Show *log*, or the lines of it that match *pattern*, by lnav, which reads the times of lines and orders them."""
    command = f"-c ':filter-in {pattern}' " if pattern else ""
    return counted(f"exec lnav -n {command}{log}", count_lines)


def query_plain_files(store: Path, tag: str) -> Measurement:
    """Find all events with *tag* in *store* by ripgrep: the line of tags, four lines before it, one after it."""
    return counted(f"exec rg -I -B4 -A1 '{tags_line(tag)}' {store}", count_openings)


def tags_line(tag: str) -> str:
    """Return a regular expression for the line of tags of an event that has *tag*."""
    return f"^tags:(.*,)?{tag}(,|$)"


def theia_search(store: Path) -> Measurement:
    """Search *store* for all events with the tag ``web`` in theia."""
    return _theia("search", str(store))


def theia_save(directory: Path, extent: Extent) -> Measurement:
    """Save the events of *extent* in theia, which keeps them in memory."""
    return _theia("save", str(directory), str(extent.minutes), str(extent.events))


def _theia(*arguments: str) -> Measurement:
    command = [sys.executable, "-m", "benchmark.theia_peer", *arguments]
    seconds, events = printed(command).split()
    return Measurement(float(seconds), int(events))


def sqlite_database(data: Data, extent: Extent) -> Path:
    """Return the path of a database of the events of *extent*, with an index of their tags."""

    def make(path: Path) -> None:
        with _connected(path) as connection:
            connection.executescript(
                "CREATE TABLE events (serial INTEGER PRIMARY KEY, time REAL, source TEXT, frame BLOB);"
                "CREATE TABLE tags (tag TEXT, serial INTEGER);"
            )
            serial = 0
            for minute in range(extent.minutes):
                events = list(minute_events(extent, minute))
                _insert_events(connection, serial, events)
                serial += len(events)
            connection.executescript("CREATE INDEX by_tag ON tags (tag, serial); ANALYZE;")

    return data.made(f"sqlite-{extent}", make)


def _insert_events(connection: sqlite3.Connection, first: int, events: list[Event]) -> None:
    numbered = list(enumerate(events, first))
    connection.executemany(
        "INSERT INTO events VALUES (?, ?, ?, ?)",
        [(number, each.timestamp, each.source, frame(each).encode()) for number, each in numbered],
    )
    connection.executemany(
        "INSERT INTO tags VALUES (?, ?)",
        [(tag, number) for number, each in numbered for tag in each.tags],
    )


def query_sqlite(database: Path) -> Measurement:
    """Query *database* for all events with the tag ``web``: a join over the index, rows fetched and joined in Python."""
    started = time.perf_counter()
    with _connected(database) as connection:
        rows = connection.execute(
            "SELECT frame FROM tags JOIN events USING (serial) WHERE tag = 'web' ORDER BY serial"
        ).fetchall()
        joined = b"".join([row[0] for row in rows])
    seconds = time.perf_counter() - started
    return Measurement(seconds, count_openings(joined))


def sqlite_insert(lines: Path, directory: Path) -> Measurement:
    """Insert *lines* in batches, each a transaction with SQLite's default durability."""
    with _connected(directory / "lines.db") as connection, lines.open("rb") as file:
        connection.execute(
            "CREATE TABLE events (serial INTEGER PRIMARY KEY, time REAL, source TEXT, content TEXT)"
        )
        started = time.perf_counter()
        for batch in _batches(file):
            now = time.time()
            connection.executemany(
                "INSERT INTO events (time, source, content) VALUES (?, ?, ?)",
                [(now, "cat", line.rstrip(b"\r\n").decode("utf-8", "replace")) for line in batch],
            )
            connection.commit()
        seconds = time.perf_counter() - started
        (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    return Measurement(seconds, events)


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(lines)
    while batch := list(islice(rest, BATCH_ROWS)):
        yield batch


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        yield connection
