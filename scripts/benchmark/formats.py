"""The comparisons of logs in the formats of other programs, which come in with their own times."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmark import mounts, peers, work
from benchmark.answers import count_lines
from benchmark.commands import run
from benchmark.comparisons import Result, Rival, compare
from benchmark.data import Data
from benchmark.scale import Scale
from benchmark.table import Measurement, Row, Target

__all__ = ["FORMATS"]

_UNPARSED = b"\ntags:unparsed\n"


def jsonl(data: Data, scale: Scale) -> Result:
    """Append lines of JSON."""
    path = data.log("app.jsonl", scale.lines_size)
    rivals = [
        Rival("jq -c .time", partial(peers.jq_times, path), Target(1)),
        Rival("json.loads of each line", partial(peers.json_loads, path), Target(1 / 2)),
    ]
    return _appended(data, scale, "app.jsonl", "ingest.jsonl", rivals)


def combined(data: Data, scale: Scale) -> Result:
    """Append lines of an access log."""
    path = data.log("access.log", scale.lines_size)
    rivals = [
        Rival("goaccess", lambda: peers.goaccess(path, data.fresh("goaccess")), Target(1)),
        Rival("lnav -n", partial(peers.lnav, path), Target(1)),
    ]
    return _appended(data, scale, "access.log", "ingest.combined", rivals)


def imported(data: Data, scale: Scale) -> Result:
    """Import a log of syslog into the minute files."""
    path = data.log("syslog", scale.lines_size)
    rival = Rival(
        f"SQLite, transactions of {peers.BATCH_ROWS:,} rows",
        lambda: peers.sqlite_insert(path, data.fresh("inserted")),
        Target(1.5),
    )

    def ours() -> Measurement:
        store = data.fresh("ingested")
        return Measurement(run(mounts.theiafs("import", store, path)), _parsed_events(store))

    what = f"theiafs import syslog, {scale.lines_size / 1e6:.0f} MB, synced"
    return Result(compare(what, scale.repetitions, ours, [rival], _count(path)))


def _appended(data: Data, scale: Scale, name: str, door: str, rivals: list[Rival]) -> Result:
    """Append the log *name* to *door*, and let *rivals* read it."""
    path = data.log(name, scale.lines_size)
    whole: list[Measurement] = []

    def ours() -> Measurement:
        store = data.fresh("ingested")
        taken, written = work.ingest(path, store, door)
        events = _parsed_events(store)
        whole.append(Measurement(written.seconds, events))
        return Measurement(taken.seconds, events)

    what = f"cat {name} >> {door}, {scale.lines_size / 1e6:.0f} MB"
    rows = compare(what, scale.repetitions, ours, rivals, _count(path))
    rows.append(Row("the same, and theiafs umount", "", whole))
    return Result(rows)


def _parsed_events(store: Path) -> int:
    """Count the events in the minute files of *store*, which is not mounted, but those of lines that are not in the format."""
    unparsed = sum(path.read_bytes().count(_UNPARSED) for path in store.glob("[0-9]*-*"))
    return work.stored_events(store) - unparsed


def _count(path: Path) -> int:
    return count_lines(path.read_bytes())


FORMATS: dict[str, Callable[[Data, Scale], Result]] = {
    "jsonl": jsonl,
    "combined": combined,
    "import": imported,
}
