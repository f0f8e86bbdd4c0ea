"""File names for tags and sources: a reversible percent-encoding.

Everything stays as it is but ``/``, ``%``, ``,`` (which separates alternatives), control characters, a leading dot, and bytes that are not valid
UTF-8: those become ``%`` and two hexadecimal digits for each byte. The empty name becomes ``%``. A name
too long for a directory entry is cut, and ends in ``%%`` and a digest of the whole: decoding it is a search among
those that there are.
"""

import hashlib
import re
from collections.abc import Callable, Iterable

from theiafs.errors import InvalidName, NameTooLong, NotFound

__all__ = ["NAME_SIZE_MAX", "escape", "read_name", "unescape"]

NAME_SIZE_MAX = 255
"""The longest name in bytes that Linux programs expect in a directory (NAME_MAX of limits.h)."""

_EMPTY = "%"
_DIGEST = "%%"
_DIGEST_SIZE = 16
_CUT = re.compile(f"{_DIGEST}[0-9a-f]{{{2 * _DIGEST_SIZE}}}$")
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
        raise NameTooLong(
            f"a name of more than {NAME_SIZE_MAX} bytes: {file_name!r}; give a shorter one"
        )
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


def read_name(
    file_name: str,
    kind: str,
    fault: Callable[[str], str],
    known: Callable[[], Iterable[str]] = tuple,
) -> str:
    """Turn *file_name* back into what it is the name of, like :func:`unescape`; a name that nothing can have is an error.

    Args:
        file_name: the file name.
        kind: what it would be the name of, such as "tag".
        fault: returns what is wrong with such a thing; empty if nothing is.
        known: returns those that there are.

    Raises:
        InvalidName: if the file name is not how anything is written, or nothing can be called so; it says what to do.
        NotFound: if it is the name of something too long, which is unknown.
        NameTooLong: if no file has such a name.
    """
    try:
        name = unescape(file_name, known)
    except NotFound:
        _check_spelling(file_name, kind)
        raise
    if found := fault(name):
        raise InvalidName(
            f"no event can have the {kind} {name!r}: it {found}; give another name", file_name, 0
        )
    return name


def _check_spelling(file_name: str, kind: str) -> None:
    """Check that *file_name* is written as :func:`escape` writes something of a *kind*.

    Raises:
        InvalidName: if it is not.
    """
    if _CUT.search(file_name):
        return
    spelling = escape(_decode(file_name, re.IGNORECASE))
    if spelling == file_name:
        return
    last = len(file_name) - 1
    raise InvalidName(
        f"no {kind} is written {file_name!r}: write {spelling!r}; what a name cannot hold is % and two hexadecimal digits",
        file_name,
        next((at for at in range(last) if spelling[at : at + 1] != file_name[at]), last),
    )


def _decode(escaped: str, flags: int = 0) -> str:
    encoded = escaped.encode("utf-8", "surrogateescape")
    decoded = re.sub(
        rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), encoded, flags=flags
    )
    return decoded.decode("utf-8", "surrogateescape")


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))
