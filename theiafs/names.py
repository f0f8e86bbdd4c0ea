"""File names for tags and sources: a reversible percent-encoding.

Everything stays as it is but ``/``, ``%``, ``,`` (which separates alternatives), control characters, a leading dot, and bytes that are not valid
UTF-8: those become ``%`` and two hexadecimal digits for each byte. The empty name becomes ``%``. A name
too long for a directory entry is cut, and ends in ``%%`` and a digest of the whole: decoding it is a search among
those that there are.
"""

import hashlib
import re
from collections.abc import Callable, Iterable

from theiafs.errors import NameTooLong, NotFound

__all__ = ["NAME_SIZE_MAX", "escape", "unescape"]

NAME_SIZE_MAX = 255
"""The longest name in bytes that Linux programs expect in a directory (NAME_MAX of limits.h)."""

_EMPTY = "%"
_DIGEST = "%%"
_DIGEST_SIZE = 16
_UNSAFE = re.compile("[\x00-\x1f\x7f/%,\udc80-\udcff]|^\\.")


def escape(name: str) -> str:
    """Turn *name*, a tag or a source, into a file name."""
    if not name:
        return _EMPTY
    escaped = _UNSAFE.sub(_percent, name)
    if len(escaped.encode()) <= NAME_SIZE_MAX:
        return escaped
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=_DIGEST_SIZE)
    ending = _DIGEST + digest.hexdigest()
    shown = escaped.encode()[: NAME_SIZE_MAX - len(ending)].decode("utf-8", "ignore")
    # Do not cut an escape in two.
    return re.sub("%.?$", "", shown) + ending


def unescape(file_name: str, known: Callable[[], Iterable[str]]) -> str:
    """Turn *file_name* back into the name that it was made of.

    Args:
        file_name: the file name.
        known: returns the names that there are; called only for a name that was too long.

    Raises:
        NotFound: if no name is written so.
        NameTooLong: if no file has such a name.
    """
    if len(file_name.encode("utf-8", "surrogateescape")) > NAME_SIZE_MAX:
        raise NameTooLong(f"a name of more than {NAME_SIZE_MAX} bytes: {file_name!r}")
    if _DIGEST in file_name:
        start = _decode(file_name.partition(_DIGEST)[0])
        for name in known():
            if name.startswith(start) and escape(name) == file_name:
                return name
        raise NotFound(f"no name is written {file_name!r}")
    if file_name == _EMPTY:
        return ""
    decoded = _decode(file_name)
    # One name has one file name: otherwise its directory would exist many times.
    if escape(decoded) != file_name:
        raise NotFound(f"no name is written {file_name!r}")
    return decoded


def _decode(escaped: str) -> str:
    encoded = escaped.encode("utf-8", "surrogateescape")
    return re.sub(rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), encoded).decode(
        "utf-8", "surrogateescape"
    )


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))
