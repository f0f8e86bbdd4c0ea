"""The cases: each a piece of our work, compared with the same work of its peers."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

from benchmark import memory, mounts, peers, work
from benchmark.answers import count_lines
from benchmark.comparisons import Result, Rival, alone, compare
from benchmark.data import Data
from benchmark.events import RARE_EVENTS, Extent, web_minutes
from benchmark.formats import FORMATS
from benchmark.queries import QUERIES
from benchmark.scale import Scale
from benchmark.table import Measurement, Row, Target, checked

__all__ = ["CASES"]


def web(data: Data, scale: Scale) -> Result:
    """Read one tag as one file."""
    store = data.store(scale.day)
    journal = peers.journal(data, scale.day)
    database = peers.sqlite_database(data, scale.day)
    rivals = [
        Rival("journalctl TAG=web", partial(peers.query_journal, journal), Target(1 / 5)),
        Rival("SQLite, indexed join", partial(peers.query_sqlite, database), Target(1 / 2)),
        Rival("theia's search", partial(peers.theia_search, store), Target(1 / 60)),
        Rival("rg over the plain files", partial(peers.query_plain_files, store, "web"), None),
    ]
    ours = partial(work.on_mount, store, work.web_events)
    return Result(compare("cat by-tag/web/events", scale.repetitions, ours, rivals, scale.day.web))


def files(data: Data, scale: Scale) -> Result:
    """Read one tag, minute by minute."""
    store = data.store(scale.day)
    journal = peers.journal(data, scale.day)
    rival = Rival("journalctl TAG=web", partial(peers.query_journal, journal), Target(1 / 2))
    what = f"cat by-tag/web/* ({scale.day.minutes:,} files)"
    ours = partial(work.on_mount, store, work.web_files)
    return Result(compare(what, scale.repetitions, ours, [rival], scale.day.web))


def rare(data: Data, scale: Scale) -> Result:
    """Read a tag that few events have, in a store of many minutes and in one of fewer."""
    day, year = data.store(scale.day), data.store(scale.year)
    rivals = [
        Rival("the same in the day", partial(work.on_mount, day, work.rare_events), Target(1.5)),
        Rival("rg over the plain files", partial(peers.query_plain_files, year, "rare"), None),
    ]
    ours = partial(work.on_mount, year, work.rare_events)
    what = f"cat by-tag/rare/events ({RARE_EVENTS} events) in the year"
    return Result(compare(what, scale.repetitions, ours, rivals, RARE_EVENTS))


def cat(data: Data, scale: Scale) -> Result:
    """Read all minutes, from a warm cache."""
    store = data.store(scale.day)
    with mounts.mounted(store) as mountpoint:
        work.cat_minutes(mountpoint / "minutes")
        rival = Rival("ext4", partial(work.cat_minutes, store), Target(1.5))
        ours = partial(work.cat_minutes, mountpoint / "minutes")
        what = "cat minutes/*, warm"
        return Result(compare(what, scale.repetitions, ours, [rival], scale.day.total))


def grep(data: Data, scale: Scale) -> Result:
    """Search all minutes one by one, from a warm cache, and find the cost of a request."""
    store = data.store(scale.day)
    with ExitStack() as stack:
        mountpoint = stack.enter_context(mounts.mounted(store))
        bound = stack.enter_context(mounts.bound(store))
        for directory in (mountpoint / "minutes", bound, store):
            work.grep_errors(directory)
        rivals = [
            Rival("bindfs", partial(work.grep_errors, bound), Target(1 / 2)),
            Rival("ext4", partial(work.grep_errors, store), Target(6)),
        ]
        ours = partial(work.grep_errors, mountpoint / "minutes")
        what = "grep -rc ERROR minutes, warm"
        rows = compare(what, scale.repetitions, ours, rivals, scale.day.errors)
        requests = mounts.count_requests(mountpoint, work.grep_command(mountpoint / "minutes"))
    of_ours, of_ext4 = rows[1].median_seconds()
    remark = (
        f"`grep -rc ERROR minutes`, warm, makes {requests:,} FUSE requests,"
        f" {requests / scale.day.minutes:.1f} for each file; each adds"
        f" {(of_ours - of_ext4) / requests * 1e6:.0f} µs to what ext4 takes for the whole."
    )
    return Result(rows, (remark,))


def rg(data: Data, scale: Scale) -> Result:
    """Search all minutes, several at a time, from a warm cache."""
    store = data.store(scale.day)
    with mounts.mounted(store) as mountpoint:
        for directory in (mountpoint / "minutes", store):
            work.rg_errors(directory)
        rival = Rival("ext4", partial(work.rg_errors, store), None)
        ours = partial(work.rg_errors, mountpoint / "minutes")
        what = "rg -c ERROR minutes, warm"
        return Result(compare(what, scale.repetitions, ours, [rival], scale.day.errors))


def frames(data: Data, scale: Scale) -> Result:
    """Append frames at once."""
    path, export = data.frames(scale.ingested), data.journal_export(scale.ingested)
    whole: list[Measurement] = []
    whole_without: list[Measurement] = []
    rivals = [
        Rival(
            "systemd-journal-remote",
            lambda: peers.import_journal(export, data.fresh("imported")),
            Target(5, is_rate=True),
        ),
        Rival(
            "theia's save, in memory, unsynced",
            lambda: peers.theia_save(data.fresh("saved"), scale.ingested),
            Target(1.5, is_rate=True),
        ),
        Rival(
            "ours without an index",
            partial(_ingesting, data, path, whole_without, has_index=False),
            None,
            shows_rate=True,
        ),
    ]
    what = "cat day.frames >> ingest"
    ours = partial(_ingesting, data, path, whole)
    rows = compare(what, scale.repetitions, ours, rivals, scale.ingested.total)
    what = "the same, and theiafs umount"
    rows.append(Row(what, "ours without an index", whole, whole_without, shows_rate=True))
    return Result(rows)


def _ingesting(
    data: Data, path: Path, whole: list[Measurement], *, has_index: bool = True
) -> Measurement:
    """Append the file *path* to a fresh store; add the run that includes the unmount to *whole*.

    Returns:
        The run until the last append returned.
    """
    taken, written = work.ingest(path, data.fresh("ingested"), has_index=has_index)
    whole.append(written)
    return taken


def lines(data: Data, scale: Scale) -> Result:
    """Append lines at once."""
    path = data.lines(scale.lines_size)
    whole: list[Measurement] = []
    rival = Rival(
        f"SQLite, transactions of {peers.BATCH_ROWS:,} rows",
        lambda: peers.sqlite_insert(path, data.fresh("inserted")),
        Target(1.5, is_rate=True),
    )
    ours = partial(_ingesting, data, path, whole)
    kind = "real" if data.lines_directory else "made-up"
    what = f"cat lines.log >> ingest, {scale.lines_size / 1e6:.0f} MB of {kind} lines"
    rows = compare(what, scale.repetitions, ours, [rival], count_lines(path.read_bytes()))
    rows.append(Row("the same, and theiafs umount", "", whole, shows_rate=True))
    return Result(rows)


def echo(data: Data, scale: Scale) -> Result:
    """Append lines one by one."""

    def ours() -> Measurement:
        store = data.fresh("ingested")
        with mounts.mounted(store) as mountpoint:
            seconds = work.echo(mountpoint, scale.echoes)
        return Measurement(seconds, work.stored_events(store))

    def nothing() -> Measurement:
        with mounts.null_mounted() as mountpoint:
            # It keeps nothing to count: a loop that failed would have raised.
            return Measurement(work.echo(mountpoint, scale.echoes), scale.echoes)

    rival = Rival("a fusepy filesystem that discards", nothing, Target(1.5))
    what = f"{scale.echoes:,} times echo x >> ingest"
    return Result(compare(what, scale.repetitions, ours, [rival], scale.echoes))


def year(data: Data, scale: Scale) -> Result:
    """Measure a store of many minutes: its first answer, its listing, and the memory they take."""
    store = data.store(scale.year)
    what = "mount the year, to the first answer of ls by-tag/web | head"
    names = list(islice(web_minutes(scale.year), work.LISTED_NAMES))
    mounting: list[Measurement] = []
    answering: list[Measurement] = []
    for _ in range(scale.repetitions):
        mount, answer = work.first_answer(store, names)
        mounting.append(mount)
        answering.append(checked(what, "ours", answer, len(names)))
    rows = [
        Row(what, "", answering),
        Row("of that, theiafs mount", "", mounting),
    ]
    rival = Rival("ext4", partial(work.list_directory, store), Target(3))
    ours = partial(work.on_mount, store, work.list_minutes)
    what = "ls -f minutes in the year"
    rows += compare(what, scale.repetitions, ours, [rival], scale.year.minutes)
    remark = str(memory.measure(store, names, scale.year.minutes))
    return Result(rows, (remark,))


def hot(data: Data, scale: Scale) -> Result:
    """Read one very large minute."""
    extent = Extent(1, scale.hot_events)
    store = data.store(extent)
    size = sum(path.stat().st_size for path in store.glob("[0-9]*-*"))
    with mounts.mounted(store) as mountpoint:
        work.cat_minutes(mountpoint / "minutes")
        rival = Rival("ext4", partial(work.cat_minutes, store), None)
        ours = partial(work.cat_minutes, mountpoint / "minutes")
        what = f"cat minutes/*, one minute of {size / 1e6:.0f} MB, warm"
        rows = compare(what, scale.repetitions, ours, [rival], extent.total)
    ours = partial(work.on_mount, store, work.web_events)
    what = "cat by-tag/web/events of that minute"
    return Result([*rows, alone(what, scale.repetitions, ours, extent.web)])


def reindex(data: Data, scale: Scale) -> Result:
    """Rebuild the index."""
    return Result(
        [
            alone(
                f"theiafs reindex, the {name}",
                1,  # it takes minutes, and there is nothing to compare it with
                partial(work.reindex, data.store(extent)),
                extent.web,
            )
            for name, extent in (("day", scale.day), ("year", scale.year))
        ]
    )


CASES: dict[str, Callable[[Data, Scale], Result]] = {
    "web": web,
    "files": files,
    "rare": rare,
    "cat": cat,
    "grep": grep,
    "rg": rg,
    "frames": frames,
    "lines": lines,
    "echo": echo,
    "year": year,
    "hot": hot,
    "reindex": reindex,
    **QUERIES,
    **FORMATS,
}
