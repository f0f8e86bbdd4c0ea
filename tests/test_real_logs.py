"""Logs that programs write: how many events, when, of which levels, compared with what other programs read in them."""

import json
import logging
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
from pythonjsonlogger.json import JsonFormatter

from tests.logreading import Log, read_log, read_with_date, read_with_lnav

DATA = Path(__file__).parent / "data" / "logs"
CHANGED = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""When the samples were changed last: it tells the years that their lines do not say."""
SPELLED = {"ERROR": "err", "WARN": "warning", "INFO": "info", "error": "err", "notice": "notice"}

# What ``date`` reads of the line, and the word that is its level.
LOGS: dict[str, tuple[Callable[[str], str], str, str]] = {
    "apache": (lambda line: line[1:25], "dated", r"\] \[(\w+)\]"),
    "hdfs": (lambda line: f"20{line[:6]} {line[7:9]}:{line[9:11]}:{line[11:13]}", "dated", r"^\d+ \d+ \d+ (\w+)"),
    "linux": (lambda line: f"{line[:15]} 2026", "syslog", r"logrotate: (ALERT)"),
    "openssh": (lambda line: f"{line[:15]} 2026", "syslog", r"\]: (error|fatal):"),
    "spark": (lambda line: f"20{line[:17]}", "dated", r"^\S+ \S+ (\w+)"),
    "zookeeper": (lambda line: line[:23].replace(",", "."), "dated", r" - (\w+) "),
}  # fmt: skip
SPELLED |= {"ALERT": "alert", "fatal": "crit"}
TO_LNAV_LEVELS = ["apache", "zookeeper"]
TO_LNAV = [*TO_LNAV_LEVELS, "linux", "openssh"]


@pytest.fixture
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a sample with its time of change."""
    path = tmp_path / f"{request.param}.log"
    shutil.copy(DATA / path.name, path)
    os.utime(path, (CHANGED.timestamp(),) * 2)
    return path


@pytest.mark.parametrize("sample", LOGS, indirect=True)
def test_dates_and_levels(sample: Path) -> None:
    """Every time is what ``date`` reads, and every level the word at its place."""
    cut, format_, level = LOGS[sample.stem]
    log = read_log(sample)
    lines = [content.decode().partition("\n")[0] for content in log.contents]
    assert log.ticks == read_with_date(map(cut, lines))
    words = [found[1] for found in map(re.compile(level).search, lines) if found]
    assert log.levels == Counter(SPELLED[word] for word in words)
    assert (log.format, len(lines)) == (format_, 60)


@pytest.mark.parametrize("sample", TO_LNAV, indirect=True)
def test_what_lnav_reads(sample: Path, tmp_path: Path) -> None:
    """As many messages, also of several lines, with the same times, and levels where the format has them."""
    log = read_log(sample)
    ticks, levels = read_with_lnav(sample, tmp_path)
    assert log.ticks == ticks
    if sample.stem in TO_LNAV_LEVELS:
        assert log.levels == levels


NUMBERS = {10: "trace", 20: "debug", 30: "info", 40: "warning", 50: "err", 60: "crit"}
"""The levels of pino and bunyan."""


@pytest.mark.parametrize("logger", ["pino", "bunyan"])
def test_loggers_of_node(logger: str) -> None:
    """Their times and levels are those that Python's own readers find."""
    path = DATA / f"{logger}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    times = [row["time"] for row in rows]
    if logger == "pino":
        expected = [each * 10_000 for each in times]
    else:
        expected = [ticks_of(datetime.fromisoformat(each)) for each in times]
    log = read_log(path)
    assert log.ticks == expected
    assert log.levels == Counter(NUMBERS[row["level"]] for row in rows)
    assert (log.format, log.sources, len(log.contents)) == ("jsonl", Counter({"shop": 48}), 48)


def ticks_of(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10


class Moments(logging.Handler):
    """The records that other handlers write, as Python knows them."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def log_something(logger: logging.Logger, count: int = 40) -> None:
    levels = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
    for number in range(count):
        logger.log(levels[number % len(levels)], "item %d\nhas a \"name\" like 'é'", number)


OF_PYTHON = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "err", "CRITICAL": "crit"}  # fmt: skip


def check_records(log: Log, records: list[logging.LogRecord], resolution: int) -> None:
    """Check that a log has the events of records, whose times were written with a resolution in ticks."""
    assert len(log.ticks) == len(records)
    for ticks, record in zip(log.ticks, records, strict=True):
        # A record's time is a float of seconds, which formatters cut off or round.
        assert abs(ticks - record.created * 10**7) <= resolution
    assert log.levels == Counter(OF_PYTHON[record.levelname] for record in records)


@pytest.mark.parametrize(
    ("form", "options", "format_", "resolution"),
    [
        ("%(asctime)s %(levelname)s %(name)s %(message)s", {}, "jsonl", 10_000),
        ("%(created)f %(levelname)s %(name)s %(message)s", {"rename_fields": {"created": "ts"}}, "jsonl", 10),
        ("%(levelname)s %(name)s %(message)s", {"timestamp": True}, "jsonl", 10),
    ],
)  # fmt: skip
def test_python_json_logger(
    form: str, options: dict[str, object], format_: str, resolution: int, tmp_path: Path
) -> None:
    """Its three ways to say the time."""
    path = tmp_path / "app.jsonl"
    logger = logging.Logger("shop")
    handler, moments = logging.FileHandler(path), Moments()
    formatter = JsonFormatter(form, **options)  # type: ignore[arg-type]
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.addHandler(moments)
    log_something(logger)
    handler.close()
    log = read_log(path)
    check_records(log, moments.records, resolution)
    assert (log.format, log.sources) == (format_, Counter({"shop": 40}))


@pytest.mark.parametrize("key", ["timestamp", "ts"])
def test_structlog(key: str, tmp_path: Path) -> None:
    """Its renderer of JSON, with times in ISO 8601 and as numbers."""
    path = tmp_path / "app.jsonl"
    is_number = key == "ts"
    with path.open("w") as file:
        logger = structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt=None if is_number else "iso", key=key),
                structlog.processors.JSONRenderer(),
            ],
        )
        for number in range(40):
            write = (logger.debug, logger.info, logger.warning, logger.error, logger.critical)
            write[number % 5]("item", number=number, text="a\n'é'")
    rows = [json.loads(line, parse_float=Decimal) for line in path.read_text().splitlines()]
    log = read_log(path)
    if is_number:
        assert log.ticks == [int(row[key] * 10**7) for row in rows]
    else:
        assert log.ticks == [ticks_of(datetime.fromisoformat(row[key])) for row in rows]
    assert log.levels == Counter(OF_PYTHON[row["level"].upper()] for row in rows)
    assert (log.format, len(rows)) == ("jsonl", 40)
