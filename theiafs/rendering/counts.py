"""Values with their counts as text, like ``uniq -c | sort -rn``, but with a tab between."""

from collections.abc import Mapping

from theiafs.rendering.escaping import escape

__all__ = ["render_counts"]


def render_counts(counts: Mapping[bytes, int]) -> bytes:
    """Return a line ``<count>TAB<value>`` for each value of *counts*, the most frequent first, and equals sorted by value."""
    rows = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return b"".join(
        [b"%d\t%b\n" % (count, escape(value).replace(b"\t", rb"\t")) for value, count in rows]
    )
