"""The cases: each a piece of our work, compared with the same work of its peers."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

from benchmark import memory, mounts, peers, work
from benchmark.answers import count_lines, count_openings, counted
from benchmark.backup import backup
from benchmark.commands import run
from benchmark.comparisons import Result, Rival, alone, compare
from benchmark.data import Data
from benchmark.events import RARE_EVENTS, Extent, web_minutes
from benchmark.formats import FORMATS
from benchmark.limit import NAME as LIMIT
from benchmark.limit import limit
from benchmark.queries import QUERIES
from benchmark.scale import Scale
from benchmark.table import Measurement, Row, Target, checked
from benchmark.tree import tree

__all__ = ["CASES"]


def web(data: Data, scale: Scale) -> Result:
    """Read one tag as one file."""
    store = data.store(scale.day)
    journal = peers.journal(data, scale.day)
    database = peers.sqlite_database(data, scale.day)
    rivals = [
        Rival("journalctl TAG=web", partial(peers.query_journal, journal), Target(2 / 5)),
        Rival("SQLite, indexed join", partial(peers.query_sqlite, database), Target(1 / 2)),
        Rival("theia's search", partial(peers.theia_search, store), Target(1 / 60)),
        Rival("rg over the plain files", partial(peers.query_plain_files, store, "web"), None),
    ]
    ours = partial(work.on_mount, store, work.web_events)
    return Result(compare("cat by-tag/web/events", scale.repetitions, ours, rivals, scale.day.web))


_BINDINGS = {2: "fusepy", 3: "mfusepy"}
"""The bindings, by the versions of their libfuse."""


def files(data: Data, scale: Scale) -> Result:
    """Read one tag, minute by minute, through each libfuse."""
    store = data.store(scale.day)
    journal = peers.journal(data, scale.day)
    with mounts.mounted(store) as mountpoint:
        first = next(web_minutes(scale.day))
        minute = data.fresh("minute") / "web"
        minute.write_bytes((mountpoint / "by-tag/web" / first).read_bytes())
    in_each = count_openings(minute.read_bytes())
    rows = []
    for libfuse, binding in _BINDINGS.items():

        def constants(libfuse: int = libfuse) -> Measurement:
            with limit(minute, scale.day.minutes, libfuse) as mountpoint:
                read = counted(f"cat {mountpoint}/*", count_openings)
            return _as_many(read, in_each, scale.day.minutes, scale.day.web)

        rivals = [
            Rival("journalctl TAG=web", partial(peers.query_journal, journal), Target(1 / 2)),
            Rival(LIMIT, constants, Target(2)),
        ]
        what = f"cat by-tag/web/* ({scale.day.minutes:,} files), libfuse {libfuse}"
        ours = partial(work.on_mount, store, work.web_files, f"binding={binding}")
        rows += compare(what, scale.repetitions, ours, rivals, scale.day.web)
    return Result(rows)


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


def _as_many(run: Measurement, in_each: int, files: int, events: int) -> Measurement:
    """Return a *run* over equal *files* as one that has found *events*, if it has found all that there are *in_each*."""
    return Measurement(run.seconds, events) if run.events == in_each * files else run


def _compare_warm(
    data: Data,
    scale: Scale,
    what: str,
    do: Callable[[Path], Measurement],
    count: Callable[[bytes], int],
    events: int,
    ext4: Target | None,
) -> list[Row]:
    """Compare *do*, from a warm cache, on all minutes: on a mount of ours, the limit, bindfs and the disk.

    Args:
        data: the data.
        scale: their sizes.
        what: the work.
        do: does it in a directory.
        count: counts the events that it finds in a file with these bytes.
        events: how many there are in all minutes.
        ext4: the target against the disk.
    """
    store = data.store(scale.day)
    first = min(store.glob("[0-9]*-*"))
    in_first, rows = count(first.read_bytes()), []
    for libfuse, binding in _BINDINGS.items():
        with ExitStack() as stack:
            minutes = stack.enter_context(mounts.mounted(store, f"binding={binding}")) / "minutes"
            constants = stack.enter_context(limit(first, scale.day.minutes, libfuse))
            bound = stack.enter_context(mounts.bound(store))
            for directory in (minutes, constants, bound, store):
                do(directory)

            def of_constants(constants: Path = constants) -> Measurement:
                return _as_many(do(constants), in_first, scale.day.minutes, events)

            rivals = [
                Rival(LIMIT, of_constants, Target(1.3)),
                Rival("bindfs", partial(do, bound), Target(2 / 3)),
                Rival("ext4", partial(do, store), ext4),
            ]
            ours, name = partial(do, minutes), f"{what}, warm, libfuse {libfuse}"
            rows += compare(name, scale.repetitions, ours, rivals, events)
    return rows


def _count_errors(data: bytes) -> int:
    return sum(b"ERROR" in line for line in data.splitlines())


def request(data: Data, scale: Scale) -> Result:
    """Ask for what is not there: what a request costs on this machine, in C, in Python, and on ours."""
    store = data.store(scale.day)
    first = min(store.glob("[0-9]*-*"))
    ask = partial(work.ask_in_vain, times=scale.echoes)
    with ExitStack() as stack:
        ours = stack.enter_context(mounts.mounted(store, "binding=fusepy")) / "minutes"
        constants = stack.enter_context(limit(first, 1, 2))
        discarding, _ = stack.enter_context(mounts.null_mounted())
        rivals = [
            Rival(LIMIT, partial(ask, constants), None),
            Rival("a fusepy filesystem that discards", partial(ask, discarding), None),
        ]
        what = f"stat of {scale.echoes:,} names that are not there"
        rows = compare(what, scale.repetitions, partial(ask, ours), rivals, scale.echoes)
    of_ours, in_c = rows[0].median_seconds()
    in_python = rows[1].median_seconds()[1]
    each = [f"{seconds / scale.echoes * 1e6:.0f} µs" for seconds in (in_c, in_python, of_ours)]
    remark = (
        f"The state of the machine: a request for a name that is not there takes {each[0]} where C answers it, {each[1]} in the"
        f" least that Python can do, and {each[2]} on ours."
    )
    return Result(rows, (remark,))


def cat(data: Data, scale: Scale) -> Result:
    """Read all minutes, from a warm cache."""
    do, events = work.cat_minutes, scale.day.total
    return Result(
        _compare_warm(data, scale, "cat minutes/*", do, count_openings, events, Target(1.5))
    )


def grep(data: Data, scale: Scale) -> Result:
    """Search all minutes one by one, from a warm cache, and find the cost of a request."""
    what, do, events = "grep -rc ERROR minutes", work.grep_errors, scale.day.errors
    rows = _compare_warm(data, scale, what, do, _count_errors, events, Target(6))
    with mounts.mounted(data.store(scale.day)) as mountpoint:
        do(mountpoint / "minutes")
        requests = mounts.count_requests(mountpoint, work.grep_command(mountpoint / "minutes"))
    (of_ours, of_limit), (_, of_ext4) = rows[0].median_seconds(), rows[2].median_seconds()
    remark = (
        f"`{what}`, warm, makes {requests:,} FUSE requests, {requests / scale.day.minutes:.1f} for each file; each adds"
        f" {(of_ours - of_ext4) / requests * 1e6:.0f} µs to what ext4 takes for the whole, and"
        f" {(of_limit - of_ext4) / requests * 1e6:.0f} µs where C answers constants."
    )
    return Result(rows, (remark,))


def rg(data: Data, scale: Scale) -> Result:
    """Search all minutes, several at a time, from a warm cache."""
    what, do, events = "rg -c ERROR minutes", work.rg_errors, scale.day.errors
    return Result(_compare_warm(data, scale, what, do, _count_errors, events, None))


def frames(data: Data, scale: Scale) -> Result:
    """Append frames at once."""
    path, export = data.frames(scale.ingested), data.journal_export(scale.ingested)
    whole: list[Measurement] = []
    whole_without: list[Measurement] = []
    rivals = [
        Rival(
            "systemd-journal-remote",
            lambda: peers.import_journal(export, data.fresh("imported")),
            Target(6, is_rate=True),
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
    tagged: list[Measurement] = []
    rows += compare(
        "cat day.frames >> by-tag/x/ingest",
        scale.growth_repetitions,
        partial(_ingesting, data, path, tagged, door="by-tag/x/ingest"),
        rivals[:1],
        scale.ingested.total,
    )
    return Result(rows)


def _ingesting(
    data: Data,
    path: Path,
    whole: list[Measurement],
    *,
    door: str = "ingest",
    has_index: bool = True,
) -> Measurement:
    """Append the file *path* to *door* of a fresh store; add the run that includes the unmount to *whole*.

    Returns:
        The run until the last append returned.
    """
    taken, written = work.ingest(path, data.fresh("ingested"), door, has_index=has_index)
    whole.append(written)
    return taken


def lines(data: Data, scale: Scale) -> Result:
    """Append lines at once."""
    path = data.lines(scale.lines_size)
    whole: list[Measurement] = []
    rival = Rival(
        f"SQLite, transactions of {peers.BATCH_ROWS:,} rows",
        lambda: peers.sqlite_insert(path, data.fresh("inserted")),
        Target(2, is_rate=True),
    )
    ours = partial(_ingesting, data, path, whole)
    kind = "real" if data.lines_directory else "made-up"
    what = f"cat lines.log >> ingest, {scale.lines_size / 1e6:.0f} MB of {kind} lines"
    rows = compare(what, scale.repetitions, ours, [rival], count_lines(path.read_bytes()))
    rows.append(Row("the same, and theiafs umount", "", whole, shows_rate=True))
    return Result(rows)


def echo(data: Data, scale: Scale) -> Result:
    """Append lines one by one: what it takes, and what it takes the filesystem."""
    do = partial(work.echo, times=scale.echoes)
    what = f"{scale.echoes:,} times echo x >> ingest"
    return Result(
        _compare_appending(data, scale.repetitions, what, do, scale.echoes, None, Target(1.3))
    )


def writers(data: Data, scale: Scale) -> Result:
    """Append lines one by one, from several programs at once."""
    do = partial(work.write_at_once, lines=scale.echoes)
    what = f"{work.WRITERS} writers, {scale.echoes:,} lines each, a write for each"
    events = work.WRITERS * scale.echoes
    return Result(
        _compare_appending(data, scale.growth_repetitions, what, do, events, Target(1.5), None)
    )


def _compare_appending(
    data: Data,
    repetitions: int,
    what: str,
    append: Callable[[Path], float],
    events: int,
    target: Target | None,
    cpu_target: Target | None,
) -> list[Row]:
    """Compare *append*, which returns the seconds it took, with the same on a filesystem that discards: its time, and the processor's."""
    used: tuple[list[Measurement], list[Measurement]] = ([], [])

    def ours() -> Measurement:
        store = data.fresh("ingested")
        with mounts.mounted(store) as mountpoint:
            process = mounts.process_of(mountpoint)
            before = mounts.cpu_seconds(process)
            seconds = append(mountpoint)
            cpu_s = mounts.cpu_seconds(process) - before
        stored = work.stored_events(store)
        used[0].append(Measurement(cpu_s, stored))
        return Measurement(seconds, stored)

    def nothing() -> Measurement:
        with mounts.null_mounted() as (mountpoint, process):
            before = mounts.cpu_seconds(process)
            seconds = append(mountpoint)
            used[1].append(Measurement(mounts.cpu_seconds(process) - before, events))
        # It keeps nothing to count: what failed would have raised.
        return Measurement(seconds, events)

    name = "a fusepy filesystem that discards"
    rows = compare(what, repetitions, ours, [Rival(name, nothing, target)], events)
    return [*rows, Row(f"{what}, processor time", name, *used, target=cpu_target)]


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
        Row(what, "", answering, target=Target(2)),
        Row("of that, theiafs mount", "", mounting),
    ]
    for options, libfuse in (("-f", 2), ("-f", 3), ("-l", 3)):
        list_minutes = partial(work.list_directory, options=options)
        with mounts.mounted(store, f"binding={_BINDINGS[libfuse]}") as mountpoint:
            mounts.wait_until_checked(mountpoint)
            for directory in (mountpoint / "minutes", store):
                list_minutes(directory)
            rival = Rival("ext4", partial(list_minutes, store), Target(2))
            ours = partial(list_minutes, mountpoint / "minutes")
            what = f"ls {options} minutes in the year, libfuse {libfuse}"
            rows += compare(what, scale.growth_repetitions, ours, [rival], scale.year.minutes)
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
    rows = []
    for name, extent in (("day", scale.day), ("year", scale.year)):
        store = data.store(extent)
        ours = partial(work.reindex, store)
        rival = Rival("cat of the files", partial(work.cat_all, store, extent.web), Target(10))
        # Once: it takes minutes.
        rows += compare(f"theiafs reindex, the {name}", 1, ours, [rival], extent.web)
    return Result(rows)


def find(data: Data, scale: Scale) -> Result:
    """Find files by their sizes and times, in all tags."""
    store = data.store(scale.day)
    middle = scale.day.start_s(scale.day.minutes // 2)

    def copy(path: Path) -> None:
        with mounts.mounted(store) as mountpoint:
            run(["cp", "-r", "--preserve=timestamps", str(mountpoint / "by-tag"), str(path)])

    copied = data.made(f"by-tag-{scale.day}", copy)
    search = partial(work.find_files, newer_s=middle)
    expected = search(copied).events

    def bindfs() -> Measurement:
        with mounts.bound(copied) as bound:
            return search(bound)

    rows = []
    for libfuse, binding in _BINDINGS.items():
        # Each on a new mount: the kernel keeps what it was told for a second.
        ours = partial(
            work.on_mount, store, lambda root: search(root / "by-tag"), f"binding={binding}"
        )
        rival = Rival("bindfs over copies", bindfs, Target(1 / 2))
        what = f"find by-tag -type f -newermt TIME -size +1k, libfuse {libfuse}"
        rows += compare(what, scale.repetitions, ours, [rival], expected)
    return Result(rows)


CASES: dict[str, Callable[[Data, Scale], Result]] = {
    "web": web,
    "files": files,
    "rare": rare,
    "request": request,
    "cat": cat,
    "grep": grep,
    "rg": rg,
    "frames": frames,
    "lines": lines,
    "echo": echo,
    "writers": writers,
    "find": find,
    "year": year,
    "hot": hot,
    "reindex": reindex,
    "backup": backup,
    **QUERIES,
    "tree": tree,
    **FORMATS,
}
