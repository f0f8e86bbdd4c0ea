"""Sources of events, chosen from the values that lines say."""

from collections.abc import Iterable, Sequence
from types import NoneType
from typing import cast

__all__ = ["first_sources", "is_source"]

_SIZE_MAX = 255
"""The longest source, in characters: what is longer is a text, and would be a stream of its own for each event."""

_TEXT_OR_NONE = {str, NoneType}


def is_source(text: str) -> bool:
    """Return whether *text* can be the source of an event: it is not empty, not long, and all of it can be shown."""
    return 0 < len(text) <= _SIZE_MAX and text.isprintable()


def first_sources(columns: Iterable[Sequence[object]], count: int) -> Sequence[str | None]:
    """Return for each of *count* rows the first of its values in *columns* that is a source, None where none is."""
    sources: list[str | None] = [None] * count
    missing = list(range(count))
    for column in columns:
        usable = _usable(column)
        if len(missing) == count:
            sources = list(usable)
        else:
            for row in missing:
                sources[row] = usable[row]
        if all(sources):
            break
        missing = [row for row, source in enumerate(sources) if source is None]
    return sources


def _usable(column: Sequence[object]) -> Sequence[str | None]:
    """Return *column* with None for each value that is no source."""
    texts = cast("Sequence[str | None]", column)
    if not set(map(type, column)) <= _TEXT_OR_NONE:
        texts = [value if type(value) is str else None for value in column]
    # Most logs have few sources.
    refused = {text for text in set(texts) if text is not None and not is_source(text)}
    return [None if text in refused else text for text in texts] if refused else texts
