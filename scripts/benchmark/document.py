"""BENCHMARKS.md: a document that says all that is needed to understand the figures, and to repeat them."""

from collections.abc import Sequence

from benchmark.events import RARE_EVENTS
from benchmark.scale import Scale
from benchmark.table import Growth, Row, growth_table, table

__all__ = ["document", "figures"]

_NOTES = """\
- Ours and the peers are run in turn; the times are medians. A ratio is ours divided by the peer's in the same turn: of
  times, or, where events per second are shown, of rates. Where there is no target, it is only to be known.
- Each run counts its events, outside of the time; where it has not as many as there are, the comparison is left out and
  the command fails. `grep` counts the events that it found, `ls` the names, and the first answer has to show the right
  ones. After `theiafs reindex`, the index has to know how many events have the tag. The filesystem that discards keeps
  nothing that could be counted.
- Each run of ours has a mount of its own, by `theiafs mount` with its default options. "Warm" means that the same was
  done once before on the same mount, as it was for the peers. The files are in the page cache for all of them. The
  index was built when the store was first mounted.
- The C filesystem of constants (`scripts/benchmark/constant_fs.c`) has as many files, each with the bytes of the first minute, keeps attributes for as
  long, and runs on the libfuse that ours runs on: it is the least that any filesystem takes there. What it takes is also the
  state of the machine: the same request costs several times as much where the kernel has to wake another processor.
- The listings and the memory of the year are measured when the pass that follows the opening of a large store has ended (`watch` in `status`);
  its first answer is not.
- "Processor time" is that of the process that serves the filesystem.
- Answers go to memory (/dev/shm), except for `cat minutes/*`: that goes to /dev/null, and is counted in a second run.
- journalctl and systemd-journal-remote: default options; an event is MESSAGE, SOURCE, and a TAG for each tag. Theirs
  has no ids and gives back only the contents.
- rg over the plain files finds the line with the tags, and gives four lines before it and one after it, which is the
  whole event as every content here is one line. It searches several files at a time, in no order.
- `rg` and `journalctl -g` search for what `match` is asked for, and print the lines. `match` counts, or shows, whole events.
- "The first time" is on an index that was just rebuilt: the levels are found out then, and kept. drain3 has its default options.
- SQLite: default durability (rollback journal, synchronous=FULL), in process, without the start of Python. theia's
  search and save likewise; its events are made before its time begins.
- The lines are those of the files `*.log` in `--lines DIR`; https://github.com/logpai/loghub has real ones. Without it
  they are made up.
- The logs that go to `ingest.jsonl`, `ingest.combined` and `theiafs import` are made up: requests as Fastify logs them
  with pino, an access log, and what rsyslog writes into files; a day of each has about 200 MB. Only lines count from
  which a time was read. goaccess writes a report in JSON, jq and `lnav -n` print lines; json.loads is called in
  process, without the start of Python.
- Events that `cat ... >> ingest` appended are in the journal when cat ends, and survive the end of the process. "And theiafs
  umount" includes that all of it was written to the minute files and synced. "Ours without an index" is a store
  that has a directory where its index would be.
- Growth is measured of ours alone, with one store and with one ten times as large. `cat lines.log` and `echo` append
  the same to both; `cat day.frames` fills them: alone, its time leaves out what is flushed after its end, which is much of the little and
  little of the much; with `theiafs umount`, everything is in the minute files. "Events grow" is the ratio of the events read or appended; for the
  mount, of those in the store.
"""


def figures(
    rows: Sequence[Row], remarks: Sequence[str], growths: Sequence[Growth], scale: Scale
) -> str:
    """Format the figures of *rows*, *remarks* and *growths*.

    Args:
        rows: the comparisons.
        remarks: what is to be said besides.
        growths: how times grow.
        scale: how much of everything there was.
    """
    parts = [table(rows)] if rows else []
    parts += [f"{remark}\n" for remark in remarks]
    if growths:
        small, large = (f"{each.total:,} events" for each in (scale.small, scale.large))
        parts.append("How our times grow with the store:\n")
        parts.append(growth_table(growths, small, large))
    return "\n".join(parts)


def document(
    measured: str,
    scale: Scale,
    options: Sequence[str],
    log_names: Sequence[str],
    machine: str,
    peers: str,
) -> str:
    """Compose the document around *measured*, the figures.

    Args:
        measured: the figures.
        scale: how much of everything there was.
        options: of the command that measured them.
        log_names: the files that the lines are from; none when they are made up.
        machine: what it ran on.
        peers: what was compared with.
    """
    return (
        "# Benchmarks\n\n"
        "The cost of theiafs, compared with the tools that a user would pick instead.\n\n"
        f"To repeat it: `{' '.join(['scripts/bench', *options])}`, which sets up what it needs"
        " (`--quick` does with less data; `-h` tells the rest).\n\n"
        f"Machine: {machine}.\n\n"
        f"Compared with: {peers}.\n\n"
        f"Data: {_data(scale, log_names)}\n\n"
        f"{measured}\n## Notes\n\n{_NOTES}"
    )


def _data(scale: Scale, log_names: Sequence[str]) -> str:
    lines = f"those of {', '.join(log_names)}, repeated" if log_names else "made up"
    return (
        f"the day is {scale.day.minutes:,} minutes of {scale.day.events:,} events; the year is"
        f" {scale.year.minutes:,} minutes of {scale.year.events:,}; day.frames has {scale.ingested.total:,} events;"
        f" the one large minute has {scale.hot_events:,}. 20 sources, 8 tags of which an event has 1 to 3, contents of"
        f" 20 to 40 bytes, ERROR in each eighth; `web` is on a quarter of the events, `rare` on {RARE_EVENTS} of each store. The lines are"
        f" {lines}. There are {scale.repetitions} runs of each comparison, and {scale.growth_repetitions} of what grows"
        " (one of `cat day.frames`)."
    )
