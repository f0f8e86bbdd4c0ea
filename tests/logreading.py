"""Real logs, as theiafs reads them, and as other programs do."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, tzinfo
from pathlib import Path
from typing import NamedTuple

from store.format.levels import LEVELS, level_of
from theiafs.formats.fields import Rules
from theiafs.importing.detection import SAMPLE, detect
from theiafs.importing.inputs import Input
from theiafs.importing.multiline import Joiner, Multiline

SIZE_MAX = 1 << 20
_LNAV_LEVELS = {"error": "err", "fatal": "crit", "critical": "crit"}


class Log(NamedTuple):
    """The events of a log.

    Attributes:
        format: the name of its format.
        contents: their contents.
        ticks: their times, in ticks since the epoch.
        levels: how many have each level, without those that have none.
        sources: how many have each source.
        tags: how many have each tag.
    """

    format: str
    contents: list[bytes]
    ticks: list[int]
    levels: Counter[str]
    sources: Counter[str | None]
    tags: Counter[str]


def read_log(path: Path, zone: tzinfo = UTC, keys: tuple[str, ...] = ()) -> Log:
    """Read a log as import does, block by block."""
    file = Input(str(path), SIZE_MAX)
    joiner = Joiner(Multiline("auto"), SIZE_MAX)
    contents = [text for block in file.blocks() for text in joiner.feed(block).texts]
    contents += joiner.finish().texts
    rules = Rules(zone, file.changed_ticks, keys)
    found = detect(contents[:SAMPLE], rules)
    assert found is not None
    fields = found.format.read(contents, rules)
    assert fields.is_parsed.all()
    codes = [level_of(b"", content) for content in contents]
    return Log(
        found.format.name,
        contents,
        fields.ticks.tolist(),
        Counter(LEVELS[code - 1] for code in codes if code),
        Counter(fields.sources),
        Counter(tag for tags in fields.tags for tag in tags),
    )


def read_with_lnav(path: Path, home: Path) -> tuple[list[int], Counter[str]]:
    """Return the times of the messages that lnav finds in a log, in ticks, and how many it says to have each level."""
    query = ";SELECT log_actual_time, log_level FROM all_logs ORDER BY log_line"
    shown = subprocess.run(
        ["lnav", "-n", "-c", query, "-c", ":write-json-to -", str(path)],
        env=os.environ | {"HOME": str(home), "TZ": "UTC"},
        capture_output=True,
        check=True,
    )
    rows = json.loads(shown.stdout)
    levels = Counter(_LNAV_LEVELS.get(row["log_level"], row["log_level"]) for row in rows)
    return read_with_date(row["log_actual_time"] for row in rows), levels


def read_with_date(texts: Iterable[str], zone: str = "UTC") -> list[int]:
    """Return the times that the command ``date`` reads in texts, in ticks."""
    shown = subprocess.run(
        ["date", "-f", "-", "+%s %N"],
        input="".join(f"{text}\n" for text in texts),
        env=os.environ | {"TZ": zone, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.split() for line in shown.stdout.splitlines())
    return [int(seconds) * 10**7 + int(nanoseconds) // 100 for seconds, nanoseconds in pairs]
