"""Lines of any text, which say nothing of their events."""

from collections.abc import Sequence

import numpy as np

from theiafs.formats.fields import NO_TIME, Fields, Format, Rules

__all__ = ["Plain"]


class Plain(Format):
    """The format ``lines``: every line is in it, and has no fields, whatever it looks like."""

    name = "lines"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        """Read *lines* as they are; *rules* say nothing of them."""
        count = len(lines)
        return Fields(
            np.full(count, NO_TIME), [None] * count, [()] * count, np.ones(count, np.bool_), {}
        )
