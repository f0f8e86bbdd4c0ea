"""The totals of all streams, as they are kept."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["StreamTotals"]


class StreamTotals(NamedTuple):
    """The totals of all streams by id, and the posting lists one after the other, each of *lengths* minutes.

    Attributes:
        changed: when each last changed, in seconds since the epoch.
        forgotten: when the streams that there are no more did.
        disturbances: rows of type ``DISTURBANCE``.
    """

    events: NDArray[np.int64]
    sizes: NDArray[np.int64]
    newest: NDArray[np.int64]
    lengths: NDArray[np.int64]
    changed: NDArray[np.float64]
    postings: NDArray[np.uint32]
    forgotten: float
    disturbances: NDArray[np.void]

    def of_first(self, stream_count: int) -> "StreamTotals":
        """Return the totals of the first *stream_count* streams, nothing for those that there were not."""
        zeros = np.zeros(max(stream_count - len(self.events), 0), np.int64)
        return self._replace(
            events=np.concatenate((self.events[:stream_count], zeros)),
            sizes=np.concatenate((self.sizes[:stream_count], zeros)),
            newest=np.concatenate((self.newest[:stream_count], zeros)),
            lengths=np.concatenate((self.lengths[:stream_count], zeros)),
            changed=np.concatenate((self.changed[:stream_count], zeros)),
            postings=self.postings[: int(self.lengths[:stream_count].sum())],
        )
