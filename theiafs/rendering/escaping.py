r"""Escapes: text of any origin, made fit to be part of one line on a terminal.

What a line must not hold is shown as ``\n``, ``\r`` or ``\x1b``:

- control characters, except tabs: a newline would begin a forged line, an escape sequence would steer the terminal. Also
  those from U+0080 to U+009F, which some terminals obey, and U+2028 and U+2029, at which some programs end a line;
- characters that reverse the direction of what follows, so that a line reads differently from what it is;
- bytes that are not UTF-8: for one of them, grep prints "binary file matches" instead of the line.

A backslash stays as it is, so this cannot be reversed. In a *word* spaces and tabs are escaped as well.
"""

import numpy as np
import numpy.typing as npt

__all__ = [
    "count_within",
    "escape",
    "escape_json",
    "escape_word",
    "find_unsafe",
    "have_blanks",
    "printable",
]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_SPACE, _TAB, _NEWLINE, _DELETE = b" \t\n\x7f"
_GRAPHIC_COUNT = _DELETE - _SPACE - 1
"""Number of ASCII characters from the one after the space on that are graphic."""

_REVERSING = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_CONTROLS = [*range(_TAB), *range(_TAB + 1, _SPACE), *range(_DELETE, 0xA0), 0x2028, 0x2029]
_UNSAFE = {
    code: "".join(rf"\x{byte:02x}" for byte in chr(code).encode())
    for code in (*_CONTROLS, *_REVERSING)
} | {ord("\n"): r"\n", ord("\r"): r"\r"}
_UNSAFE_IN_WORD = _UNSAFE | {_TAB: r"\t", _SPACE: r"\x20"}
_UNSAFE_IN_JSON = {code: rf"\u{code:04x}" for code in (*_CONTROLS, *_REVERSING)}
_TWO_BYTES, _THREE_BYTES = b"\xc2\xe2"
"""First bytes, in UTF-8, of the characters from U+0080 to U+00BF and of those from U+2000 to U+2FFF."""

_CHUNK_SIZE = 64
_FIRST_BYTES = np.array(
    [bytes([1] * count + [0] * (_CHUNK_SIZE - count)) for count in range(_CHUNK_SIZE + 1)],
    f"V{_CHUNK_SIZE}",
)
"""``_FIRST_BYTES[n]``: whether each byte of a chunk is among its first n."""


def escape(data: bytes) -> bytes:
    """Escape *data* so that it can be a part of a line."""
    return _decoded(data).translate(_UNSAFE).encode()


def escape_word(data: bytes) -> bytes:
    """Escape *data* so that it can be a part of a line between two spaces."""
    return _decoded(data).translate(_UNSAFE_IN_WORD).encode()


def escape_json(text: str) -> bytes:
    """Escape what is unsafe in *text*, in which strings are written as in JSON."""
    return text.translate(_UNSAFE_IN_JSON).encode()


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def find_unsafe(data: bytes) -> Integers:
    """Return offsets in *data* of what :func:`escape` changes, sorted, newlines aside: those stand between records too.

    There is at least one in each part that it would change, if parts begin and end next to ASCII characters. Where some of
    the data are not UTF-8, all bytes that are not ASCII count.
    """
    text = np.frombuffer(data, np.uint8)
    # As unsigned bytes the control characters come out above the graphic ones: one comparison instead of three.
    is_found = text - np.uint8(_SPACE) > _GRAPHIC_COUNT
    are_newlines = text == _NEWLINE
    # Counting them costs far less than to find none among them.
    if np.count_nonzero(is_found) == np.count_nonzero(are_newlines):
        return np.zeros(0, np.int64)
    is_found &= ~are_newlines
    found: Integers = np.flatnonzero(is_found)
    codes = text[found]
    are_unsafe = codes != _TAB
    if not data.isascii() and _is_utf8(data):
        are_unsafe &= codes <= _DELETE
        _mark_wide(text, found, are_unsafe)
    unsafe: Integers = found[are_unsafe]
    return unsafe


def _mark_wide(text: npt.NDArray[np.uint8], found: Integers, are_unsafe: Booleans) -> None:
    """Mark in *are_unsafe* those bytes *found* in *text* that begin an unsafe character which is not ASCII."""
    codes = text[found]
    wide = np.flatnonzero((codes == _TWO_BYTES) | (codes == _THREE_BYTES))
    first = found[wide]
    second = text[first + 1].astype(np.int64)
    third = text[np.minimum(first + 2, len(text) - 1)].astype(np.int64)
    last_bits = 0x3F  # of a byte that goes on
    points = np.where(
        codes[wide] == _TWO_BYTES,
        second,
        0x2000 | (second & last_bits) << 6 | (third & last_bits),
    )
    are_unsafe[wide] = np.isin(points, list(_UNSAFE))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def count_within(positions: Integers, starts: Integers, ends: Integers) -> Integers:
    """Count for each row those of the sorted *positions* that lie from its start up to its end."""
    if not len(positions):
        return np.zeros(len(starts), np.int64)
    counts: Integers = np.searchsorted(positions, ends) - np.searchsorted(positions, starts)
    return counts


def have_blanks(data: bytes, starts: Integers, sizes: Integers) -> Booleans:
    """Return for each row whether a space or a tab is among the *sizes* bytes at *starts* of *data*."""
    padded = data + bytes(_CHUNK_SIZE)
    chunks = np.ndarray((len(data) + 1,), f"V{_CHUNK_SIZE}", padded, strides=(1,))
    found = np.zeros(len(starts), np.bool_)
    rows, left = np.arange(len(starts)), sizes
    has_tabs = _TAB in data
    while len(rows):
        text = chunks[starts].view(np.uint8)
        are_blanks = text == _SPACE
        if has_tabs:
            are_blanks |= text == _TAB
        are_blanks &= _FIRST_BYTES[np.minimum(left, _CHUNK_SIZE)].view(np.bool_)
        words = are_blanks.view(np.uint64)
        # Most have none, which costs less to find out for all together.
        if words.any():
            found[rows] |= words.reshape(len(rows), -1).any(axis=1)
        more = np.flatnonzero(left > _CHUNK_SIZE)
        rows, starts, left = rows[more], starts[more] + _CHUNK_SIZE, left[more] - _CHUNK_SIZE
    return found


def printable(text: str) -> str:
    """Escape the unprintable characters of *text*, so that it is one line and cannot control the terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
