"""Browsing a store without a mount: the same paths, listed and printed."""

import posixpath
import threading
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from store import EventStore
from theiafs.doors import Doors
from theiafs.errors import InvalidName, NotPermitted
from theiafs.nodes import Directory, Link
from theiafs.tree import Tree

__all__ = ["Browser"]

_LINKS_MAX = 40
"""Maximum number of links in a path, as in Linux."""

_READ_SIZE = 1 << 20
_POLL_S = 0.2


class Browser:
    """The tree of a store that is open to be read only, so that nothing in it can be appended to.

    Args:
        store: the store.
    """

    def __init__(self, store: EventStore) -> None:
        self._tree = Tree(store, Doors(event_size_max=0))

    def entries(self, path: str, shows_hidden: bool = False) -> Iterator[str]:
        """Return the names in the directory at *path*, hidden ones only if *shows_hidden*; the path itself if it is no directory.

        Raises:
            FilesystemError: if there is nothing at the path.
            EventStoreException: if the store cannot say.
        """
        node = self._tree.resolve(self._target(path))
        if not isinstance(node, Directory):
            node.attributes()  # which fails if it is not there
            return iter([path])
        names = (name for some in node.entries() for name in some.names)
        return (name for name in names if shows_hidden or not name.startswith("."))

    def print(self, path: str, output: BinaryIO, follows: bool = False) -> None:
        """Write the file at *path* to *output*; if it *follows*, also what arrives later, until the process ends.

        Raises:
            FilesystemError: if there is no file to read at the path.
            EventStoreException: if it cannot be read.
        """
        target = self._target(path)
        node = self._tree.resolve(target)
        if isinstance(node, Directory):
            raise NotPermitted(f"a directory: {path!r}; theiafs ls lists it")
        node.attributes()  # as the kernel looks a file up before it opens it; this fails if it is not there
        handle = self._tree.open(target, to_write=False)
        pause = threading.Event()
        try:
            offset = 0
            while True:
                data = handle.read(offset, _READ_SIZE)
                output.write(data)
                output.flush()
                offset += len(data)
                if not data:
                    if not follows:
                        return
                    pause.wait(_POLL_S)
        finally:
            handle.release()

    def _target(self, path: str) -> str:
        """Return the absolute path that *path* leads to, in which nothing is a link.

        Raises:
            InvalidName: if there are too many links in it.
        """
        above, rest, links = "/", deque(path.split("/")), 0
        while rest:
            name = rest.popleft()
            there = posixpath.normpath(posixpath.join(above, name))
            if name in ("", ".", ".."):
                above = there
                continue
            node = self._tree.resolve(there)
            if not isinstance(node, Link):
                above = there
                continue
            links += 1
            if links > _LINKS_MAX:
                raise InvalidName(
                    f"more than {_LINKS_MAX} links: {path!r}; make its views lead to directories, and not to each other"
                )
            rest.extendleft(reversed(node.target.split("/")))
        return above
