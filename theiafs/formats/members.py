"""Members of JSON objects, one object a line: only those that are asked for are decoded, the others are skipped.

Numbers with a point or an exponent are decoded as the text that they are, so that none of their digits is lost. Of members with
equal names the last one counts. A line that is not UTF-8, or is nested deeper than Python allows a program to call itself, is no object.
"""

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypedDict, cast

import msgspec
import numpy as np
import numpy.typing as npt

from store.format.record import encode_text

__all__ = ["Objects", "decode_objects", "text_of"]

Object = dict[str, object]
Decode = Callable[[bytes | str], Object]

_DECODERS_MAX = 64
"""Number of decoders that are kept: one for each list of names."""

_NOTHING: Object = {}


class Objects(NamedTuple):
    """Objects in rows.

    Attributes:
        rows: those of their members that were asked for; none for a line that is no object.
        names: the names of all members of all of them.
        are_objects: whether each line is one.
    """

    rows: list[Object]
    names: set[str]
    are_objects: npt.NDArray[np.bool_]

    def column(self, name: str) -> list[object]:
        """Return the value of the member *name* of each object, None where it has none; ``a.b`` is also b within a."""
        return _column(self.rows, name)

    def with_members(self, rows: Sequence[int], others: "Objects") -> "Objects":
        """Return these objects, those of *rows* with the members of *others* as well."""
        merged = list(self.rows)
        for row, members in zip(rows, others.rows, strict=True):
            merged[row] = merged[row] | members
        return Objects(merged, self.names | others.names, self.are_objects)


def decode_objects(lines: Sequence[bytes], names: Sequence[str] | None = None) -> Objects:
    """Decode members of the objects in *lines*.

    Args:
        lines: the lines.
        names: the names of the members, all if None; one with points may be that of a member within another.
    """
    wanted = None
    if names is not None:
        wanted = tuple(dict.fromkeys(each for name in names for each in _beginnings(name)))
    decode = _decoder(wanted)
    rows: list[Object] = []
    failed = _rows_not_utf8(lines)
    decoded = map(decode, lines)
    while len(rows) < len(lines):
        try:
            # What was decoded before one that fails is kept, and the next call goes on after it.
            rows.extend(decoded)
        except (ValueError, RecursionError):
            members = _decode_leniently(lines[len(rows)], wanted, decode)
            if members is None:
                failed.append(len(rows))
            rows.append(members or {})
    are_objects = np.ones(len(lines), np.bool_)
    are_objects[failed] = False
    for row in failed:
        rows[row] = {}
    return Objects(rows, set[str]().union(*rows), are_objects)


def text_of(value: object) -> bytes | None:
    """Return a string, a number or a truth *value* as the text that it is in JSON, strings without quotes; None for any other."""
    if isinstance(value, str):
        return encode_text(value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return b"%d" % value if isinstance(value, int) else None


@functools.lru_cache(_DECODERS_MAX)
def _decoder(names: tuple[str, ...] | None) -> Decode:
    # By another name: type checkers know only dictionaries whose names are written out.
    typed_dict: Any = TypedDict
    wanted: Any = dict[str, Any]
    if names is not None:
        wanted = typed_dict("wanted", dict.fromkeys(names, Any), total=False)
    return cast("Decode", msgspec.json.Decoder(wanted, float_hook=str).decode)


def _decode_leniently(line: bytes, names: tuple[str, ...] | None, decode: Decode) -> Object | None:
    """Decode members of an object that is JSON but for what Python and JavaScript write all the same: NaN, halves of surrogate pairs."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        members = json.loads(line.decode(), parse_float=str, parse_constant=str)
        if names is not None:
            members = {name: members[name] for name in names if name in members}
        return decode(json.dumps(members, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def _rows_not_utf8(lines: Sequence[bytes]) -> list[int]:
    """Return which of *lines* are not UTF-8: the decoder does not see that in strings that it skips."""
    together = b"\n".join(lines)
    if together.isascii() or _is_utf8(together):
        return []
    return [row for row, line in enumerate(lines) if not _is_utf8(line)]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _beginnings(name: str) -> list[str]:
    """Return the names of the members at the top that may hold the member *name*: itself, and what is before each point in it."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _column(rows: Sequence[Object], name: str) -> list[object]:
    values = [row.get(name) for row in rows]
    for start in _beginnings(name)[1:] if "." in name else ():
        outer = [row.get(start) for row in rows]
        if any(isinstance(each, dict) for each in outer):
            within = [each if isinstance(each, dict) else _NOTHING for each in outer]
            inner = _column(within, name[len(start) + 1 :])
            values = [
                found if value is None else value
                for value, found in zip(values, inner, strict=True)
            ]
    return values
