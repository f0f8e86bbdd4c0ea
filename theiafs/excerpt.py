"""The excerpt of what an audit finds: a store that is damaged in one way, is so in a hundred thousand places."""

from collections import Counter
from collections.abc import Iterator

from store import Defect, Finding

__all__ = ["Excerpt"]

_SHOWN_MAX = 100
"""Maximum number of findings of a kind that are shown."""


class Excerpt:
    """The first findings of each kind, and how many more there are."""

    def __init__(self) -> None:
        self._found: Counter[Defect] = Counter()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not self._found

    def add(self, finding: Finding) -> bool:
        """Add *finding*; return whether it is one to be shown."""
        self._found[finding.kind] += 1
        return self._found[finding.kind] <= _SHOWN_MAX

    def rest(self) -> Iterator[str]:
        """Yield a line for each kind of which not all were shown."""
        for kind, count in self._found.items():
            if count > _SHOWN_MAX:
                yield f"{count - _SHOWN_MAX:,} more {kind.value}"
