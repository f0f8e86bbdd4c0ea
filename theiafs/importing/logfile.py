"""Log files: files to import, once it is known how to read them."""

from datetime import datetime, timedelta, timezone, tzinfo

import numpy as np

from store import TICKS_PER_S
from theiafs.errors import ImportFailed
from theiafs.formats.fields import Format, Rules
from theiafs.formats.table import FORMATS
from theiafs.importing.detection import SAMPLE, begins_with_record, detect
from theiafs.importing.inputs import Input
from theiafs.importing.multiline import Joiner, Multiline
from theiafs.importing.records import Damage, read_records

__all__ = ["AUTO", "FORMAT_NAMES", "LogFile"]

AUTO = "auto"
_RECORDS = "theia"
FORMAT_NAMES = (AUTO, *FORMATS, _RECORDS)
"""The formats that can be given: the one that is found out, those of lines, and records."""

_OTHER_ZONE = timezone(timedelta(hours=-11, minutes=-7))
"""No clock shows this time: where a time depends on the zone, it does on this."""
_TWO_YEARS = 2 * 366 * 24 * 60 * 60 * TICKS_PER_S


class LogFile:
    """A file to import, of which the beginning was read.

    Args:
        input_: the file.
        format_name: one of ``FORMAT_NAMES``.
        zone: the time zone of times without an offset.
        keys: the names of the fields that become tags.
        multiline: says which lines continue the one before.
        event_size_max: size limit of a content, in bytes.

    Attributes:
        input: the file.
        format: the format of its lines; None if they are records.
        rules: the rules by which they are read.
        first_ticks: the time of the first event that says one, in ticks since the epoch; None if the beginning has none.
        note: how it will be read, for the user.

    Raises:
        ImportFailed: if it cannot be read, or has no format.
    """

    def __init__(
        self,
        input_: Input,
        format_name: str,
        zone: tzinfo,
        keys: tuple[str, ...],
        multiline: Multiline,
        event_size_max: int,
    ) -> None:
        self.input = input_
        self.rules = Rules(zone, input_.changed_ticks, keys)
        self.format: Format | None = None
        self.first_ticks: int | None = None
        head = input_.head()
        if format_name == _RECORDS or (format_name == AUTO and begins_with_record(head.text)):
            self.note = f"{_RECORDS}, events as they are"
            found = (each for each in read_records([head.text]) if not isinstance(each, Damage))
            self.first_ticks = next((int(each.block.ticks[0]) for each in found), None)
            return
        joiner = Joiner(multiline, event_size_max)
        sample = (joiner.feed(head).texts + joiner.finish().texts)[:SAMPLE]
        if not sample:
            self.format, self.note = FORMATS["lines"], "nothing in it"
            return
        if format_name == AUTO:
            detection = detect(sample, self.rules)
            if detection is None:
                raise ImportFailed(
                    f"{input_.name}: no known format; --format lines imports the lines with the time of the last"
                    " change of the file, or give one of " + ", ".join(FORMATS)
                )
            self.format = detection.format
            self.note = f"{self.format.name} ({detection.parsed} of {detection.of} events)"
        else:
            self.format = FORMATS[format_name]
            self.note = self.format.name
        self._read(self.format, sample)

    @property
    def source(self) -> str:
        """The default source of its events."""
        # A source is one line.
        return self.input.source.replace("\n", " ")

    def _read(self, log_format: Format, sample: list[bytes]) -> None:
        """Read the times of *sample*, and note of which kind they are."""
        fields = log_format.read(sample, self.rules)
        has_time = fields.have_times
        if not has_time.any():
            self.note += "; no times: those of its last change"
            return
        ticks = fields.times(0)
        self.first_ticks = int(ticks[has_time][0])
        if self._depends(log_format, sample, ticks, self.rules._replace(zone=_OTHER_ZONE)):
            self.note += f"; times are of {self.rules.zone}"
        past = self.rules._replace(now=max(self.rules.now - _TWO_YEARS, 0))
        if self._depends(log_format, sample, ticks, past):
            year = datetime.fromtimestamp(self.rules.now // TICKS_PER_S, self.rules.zone).year
            self.note += f"; years are the last before its last change, in {year}"

    @staticmethod
    def _depends(log_format: Format, sample: list[bytes], ticks: np.ndarray, rules: Rules) -> bool:
        """Return whether the times *ticks* of *sample* are others by *rules*."""
        return not np.array_equal(log_format.read(sample, rules).times(0), ticks)
