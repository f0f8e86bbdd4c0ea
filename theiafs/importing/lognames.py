"""Names of logs: what rotation and compression add to the name of a log.

logrotate adds a number, or a date after a dash or a dot, and Java's loggers put them before the ending: ``app.log.2.gz``,
``app.log-20261123.gz``, ``app-2026-11-23.1.log``.
"""

import os
import re

__all__ = ["log_name", "rotation_key"]

_COMPRESSED = re.compile(r"\.(?:gz|xz|zst|zstd|bz2)\Z", re.IGNORECASE)
_DAY = r"(?:19|20)[0-9]{2}(?:-[0-9]{2}-[0-9]{2}|[0-9]{4})"
_CLOCK = r"[-_T.]?[0-9]{2}(?:[-_.:]?[0-9]{2}){0,2}"
_ADDED = re.compile(
    rf"[-._](?P<date>{_DAY}(?:{_CLOCK})?|1[0-9]{{9}})(?![0-9])"
    r"|\.(?P<number>[0-9]{1,3})(?=(?:\.[a-z]+)?\Z)"
    r"|\.(?P<old>old|bak)\Z"
)
_NO_DATE = "~"
"""It comes after all dates: the file that is written now has none."""


def log_name(path: str) -> str:
    """Return the name of the log that the file at *path* is of: its file name without what rotation and compression add."""
    name = os.path.basename(path)
    return _ADDED.sub("", _COMPRESSED.sub("", name)) or name


def rotation_key(path: str) -> tuple[str, int]:
    """Return a key that is less the older the file at *path* is among those of its log, as far as its name says."""
    date, number = "", 0
    for found in _ADDED.finditer(_COMPRESSED.sub("", os.path.basename(path))):
        if found["date"]:
            date = re.sub("[^0-9]", "", found["date"])
        else:
            number = int(found["number"] or 1)
    # Numbers count files into the past, but those of one day upwards.
    return (date, number) if date else (_NO_DATE, -number)
