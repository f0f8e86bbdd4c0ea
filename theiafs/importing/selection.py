"""Selection: which events of an import are saved, and with which ids."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from theiafs.importing.ids import ContentIds, Words
from theiafs.importing.known import Known, hashes_of
from theiafs.importing.places import Places

__all__ = ["Selection"]


class Selection:
    """The events of one import that its destination does not have.

    Args:
        known: the records that the destination has, by their ids.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._content_ids = ContentIds()
        self._own_ids = Places()

    def identify(
        self,
        digests: Words,
        ticks: npt.NDArray[np.int64],
        streams: npt.NDArray[np.intp],
        keys: Sequence[bytes],
    ) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.bool_]]:
        """Return the ids of events without one, and whether each is new; see :meth:`theiafs.importing.ids.ContentIds.of`."""
        ids = self._content_ids.of(digests, ticks, streams, keys)
        return ids, ~np.isin(hashes_of(ids.tolist()), self._known.near(ticks))

    def are_new(self, ids: Sequence[bytes], ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return whether each of the events that have *ids* of their own, of the times *ticks*, is new, to this import too."""
        hashes = hashes_of(ids)
        is_first: npt.NDArray[np.bool_] = self._own_ids.count(hashes, ticks) == 0
        return is_first & ~np.isin(hashes, self._known.near(ticks))
