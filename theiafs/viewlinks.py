"""The links in ``/views``: where they may be, and where they may lead.

A target is relative to ``views``, and stays inside of the mount. It is saved without what has no effect on it, so that at most
its first name is ``..``: what a link leads to does not depend on other links, and no chain of them climbs above the mountpoint.
"""

import posixpath

from theiafs.errors import InvalidName, NameTooLong, NotPermitted
from theiafs.names import NAME_SIZE_MAX

__all__ = ["ADVICE", "is_view", "normal_target", "stays_inside", "view_name"]

_VIEWS = "/views"
ADVICE = "write the target as seen from views, like ../by-tag/web"


def is_view(path: str) -> bool:
    """Return whether *path* is one that a view may have."""
    return posixpath.dirname(path) == _VIEWS


def view_name(path: str) -> str:
    """Return the name of the view at *path*.

    Raises:
        NotPermitted: if there can be none.
        NameTooLong: if no file has such a name.
    """
    if not is_view(path):
        raise NotPermitted(
            f"links can be made, renamed and removed only in views: {path!r}; write views/NAME"
        )
    name = posixpath.basename(path)
    if len(name.encode()) > NAME_SIZE_MAX:
        raise NameTooLong(
            f"a name of more than {NAME_SIZE_MAX} bytes: {name!r}; give a shorter one"
        )
    return name


def normal_target(target: str) -> str:
    """Return *target*, which a link in ``views`` is to have, in its normal form.

    Raises:
        InvalidName: if it leads outside of the mount.
    """
    if target.startswith("/"):
        raise InvalidName(f"the target of a view cannot be absolute: {target!r}: {ADVICE}")
    depth = 1  # that of the directory views
    for name in target.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(name, 1)
        if depth < 0:
            raise InvalidName(f"the target of a view leads out of the mount: {target!r}: {ADVICE}")
    return posixpath.relpath(f"{_VIEWS}/{target}", _VIEWS)


def stays_inside(target: str) -> bool:
    """Return whether *target*, of a link that any program may have made, is one that a view may have."""
    try:
        return normal_target(target) == target
    except InvalidName:
        return False
