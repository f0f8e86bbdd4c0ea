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

    def padded(self, stream_count: int) -> "StreamTotals":
        """Return these totals, and nothing of the other ones of *stream_count* streams."""
        zeros = np.zeros(stream_count - len(self.events), np.int64)
        return self._replace(
            events=np.concatenate((self.events, zeros)),
            sizes=np.concatenate((self.sizes, zeros)),
            newest=np.concatenate((self.newest, zeros)),
            lengths=np.concatenate((self.lengths, zeros)),
            changed=np.concatenate((self.changed, zeros)),
        )
