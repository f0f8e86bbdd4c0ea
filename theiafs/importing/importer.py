"""The importer: files go in, and their events come out at the destination."""

from collections.abc import Callable, Iterator

import numpy as np

from store import Batch
from theiafs.addition import Addition
from theiafs.errors import ImportFailed
from theiafs.importing.destination import Destination
from theiafs.importing.interruption import Interruption
from theiafs.importing.known import Known, hashes_of
from theiafs.importing.lines import LineImport, LineRules
from theiafs.importing.logfile import LogFile
from theiafs.importing.multiline import Contents, Joiner, Multiline
from theiafs.importing.reader_process import ReaderProcess
from theiafs.importing.records import Damage, read_records
from theiafs.importing.selection import Selection
from theiafs.importing.summary import Summary
from theiafs.tallies import Tallies

__all__ = ["Importer"]


class Importer:
    """The import of files, one after the other, into a destination.

    Args:
        destination: where the events go.
        reader: reads the fields of lines.
        addition: what is said of every event.
        multiline: says which lines continue the one before.
        event_size_max: size limit of a content, in bytes.
        interruption: puts off what would interrupt a save.
        is_dry_run: whether nothing is saved.
    """

    def __init__(
        self,
        destination: Destination,
        reader: ReaderProcess,
        addition: Addition,
        multiline: Multiline,
        event_size_max: int,
        interruption: Interruption,
        is_dry_run: bool = False,
    ) -> None:
        self._destination = destination
        self._reader = reader
        self._addition = addition
        self._multiline = multiline
        self._event_size_max = event_size_max
        self._interruption = interruption
        self._is_dry_run = is_dry_run
        self._selection = Selection(Known(destination, lambda records: hashes_of(records.ids)))
        self._tallies = Tallies()

    def run(self, file: LogFile, summary: Summary, progress: Callable[[int], object]) -> None:
        """Import *file*.

        Args:
            file: the file.
            summary: counts its events as they are saved.
            progress: called with the number of bytes of the file that were read since the last call.

        Raises:
            ImportFailed: if the file cannot be read to its end; what was read of it is imported.
            EventStoreException: if the events cannot be saved.
        """
        position = 0
        try:
            for batch in self._batches(file, summary):
                self._save(batch, summary)
                progress(file.input.position - position)
                position = file.input.position
        finally:
            summary.add_too_long(file.input.too_long)

    def _save(self, batch: Batch, summary: Summary) -> None:
        with self._interruption.deferred():
            if len(batch) and not self._is_dry_run:
                self._destination.save(batch)
            summary.new += len(batch)

    def _batches(self, file: LogFile, summary: Summary) -> Iterator[Batch]:
        """Yield the new events of *file*."""
        if file.format is None:
            pieces = (block.text for block in file.input.blocks())
            yield from self._read_records(pieces, summary)
            return
        rules = LineRules(file.rules.now, file.source, self._addition, self._tallies)
        lines = LineImport(rules, self._selection, summary)
        failures: list[ImportFailed] = []
        joined = self._contents(file, failures)
        for contents, read in self._reader.read(joined, file.format, file.rules):
            yield lines.batch(contents, read)
        for each in failures:
            raise each

    def _contents(self, file: LogFile, failures: list[ImportFailed]) -> Iterator[Contents]:
        """Yield the contents of the events of *file*, as far as it can be read; add to *failures* why it cannot be to its end."""
        joiner = Joiner(self._multiline, self._event_size_max)
        try:
            for block in file.input.blocks():
                if (contents := joiner.feed(block)).texts:
                    yield contents
        except ImportFailed as error:
            failures.append(error)
        if (contents := joiner.finish()).texts:
            yield contents

    def _read_records(self, pieces: Iterator[bytes], summary: Summary) -> Iterator[Batch]:
        """Yield the new ones of the records in *pieces*, with their own ids."""
        for each in read_records(pieces):
            if isinstance(each, Damage):
                summary.damaged_size += each.size
                continue
            summary.add_events(each.block.ticks)
            is_new = self._selection.are_new(each.ids, each.block.ticks)
            summary.known += int(np.count_nonzero(~is_new))
            batch = Batch()
            for new in each.runs(is_new):
                if self._addition.changes_nothing:
                    batch.add_block(new.data, new.block)
                else:
                    for event in new.events():
                        batch.add(self._addition.to_event(event))
            yield batch
