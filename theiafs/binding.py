"""The binding to libfuse: fusepy over libfuse 2, or mfusepy over libfuse 3.

Both have the same programming interface, and `theiafs.session` uses only what they share.
"""

import contextlib
import ctypes
import importlib
import mmap
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from theiafs.errors import MountError

__all__ = ["allow_mmap", "describe", "interruption", "invalidation", "load_binding", "piece_sizes"]

_VARIABLE = "THEIAFS_BINDING"

_MAX_WRITE_PLACE = 3
"""The place of max_write among the numbers at the start of ``struct fuse_conn_info`` of libfuse 2."""

_SMALL_WRITE = 128 << 10
"""The size of the largest write that the kernel passes on to libfuse 2 in one piece, in bytes."""


_DIRECT_IO_ALLOW_MMAP = 1 << 28
"""The capability of files that bypass the kernel's cache to be mapped; libfuse 3.17 and later know it, with Linux 6.6."""


class _Binding(NamedTuple):
    """A Python module over libfuse.

    Attributes:
        module: the name of the module.
        versions: the major versions of libfuse that it supports.
        libraries: the names by which the dynamic linker knows the libfuse to load, the best one first.
    """

    module: str
    versions: tuple[int, ...]
    libraries: tuple[str, ...]


_BINDINGS = {
    "fusepy": _Binding("fuse", (2,), ("libfuse.so.2",)),
    "mfusepy": _Binding("mfusepy", (2, 3), ("libfuse3.so.4", "libfuse3.so.3")),
}
"""The bindings by name, in the order in which they are tried."""


def load_binding(wanted: str = "") -> ModuleType:
    """Load the binding *wanted*, or the first that works.

    Args:
        wanted: "fusepy" or "mfusepy"; if empty, the environment variable THEIAFS_BINDING counts.

    Raises:
        MountError: if there is no such binding, or it cannot load its libfuse.
    """
    wanted = wanted or os.environ.get(_VARIABLE, "")
    if wanted and wanted not in _BINDINGS:
        raise MountError(f"unknown binding {wanted!r}; there are {', '.join(_BINDINGS)}")
    failures = []
    for name in [wanted] if wanted else _BINDINGS:
        try:
            return _import(_BINDINGS[name])
        except (ImportError, OSError, AttributeError) as error:
            # AttributeError: a library that lacks what libfuse has, or a libfuse that the binding refuses.
            failures.append(f"{name}: {error}")
    raise MountError(f"cannot load libfuse ({'; '.join(failures)}): install fuse3 or libfuse2")


def describe(binding: ModuleType) -> str:
    """Return the name of *binding*, and the version of libfuse that it is on."""
    name = next(name for name, each in _BINDINGS.items() if each.module == binding.__name__)
    library = binding._libfuse  # noqa: SLF001 - fusepy has no other name for it
    version = str(library.fuse_version())  # 29 is 2.9, 314 is 3.14
    return f"{name} on libfuse {version[0]}.{version[1:]}"


def interruption(binding: ModuleType) -> Callable[[], bool]:
    """Return a function that returns whether the request that the calling thread answers was interrupted.

    That is when a signal came for the process that made it; libfuse reads that in another thread.
    """
    interrupted = binding._libfuse.fuse_interrupted  # noqa: SLF001 - fusepy has no other name for it
    interrupted.restype, interrupted.argtypes = ctypes.c_int, []
    return lambda: bool(interrupted())


def invalidation(binding: ModuleType) -> Callable[[str], object] | None:
    """Return a function that makes the kernel ask again for the attributes and the bytes of a path; None on libfuse 2.

    To be called in the callback ``init``, and the function while the filesystem is mounted, in no callback: the kernel may hold
    the locks that it takes.
    """
    library = binding._libfuse  # noqa: SLF001 - fusepy has no other name for it
    if not hasattr(library, "fuse_invalidate_path"):
        return None
    invalidate = library.fuse_invalidate_path
    invalidate.restype, invalidate.argtypes = ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]
    session = library.fuse_get_context().contents.fuse
    # An error says that the kernel does not know the path, so that there is nothing to invalidate.
    return lambda path: invalidate(session, path.encode())


def allow_mmap(connection: Any) -> None:
    """Allow to map, shared and read-only, files that bypass the kernel's cache, where the kernel and libfuse can do that.

    Args:
        connection: what libfuse calls ``init`` with.
    """
    if not isinstance(connection, int):  # libfuse 2 cannot
        connection.contents.want |= connection.contents.capable & _DIRECT_IO_ALLOW_MMAP


def piece_sizes(connection: Any) -> range:
    """Return the sizes, in bytes, of the pieces in which the kernel passes on a large write, but for the last one.

    A piece ends where the kernel has no more room for pages of memory: how much of the first page is in it depends on the
    address of what is written. On libfuse 3, a lower limit is set, at which all pieces end, and which is no round number, so
    that hardly any whole write has that size. On libfuse 2 that would make two requests of each write of 128 KiB, as cat(1)
    does, and cost 30 % more CPU time.

    Args:
        connection: what libfuse calls ``init`` with.
    """
    if isinstance(connection, int):  # fusepy has no type for it
        numbers = ctypes.cast(connection, ctypes.POINTER(ctypes.c_uint32))
        return _page_cuts(numbers[_MAX_WRITE_PLACE])
    largest = int(connection.contents.max_write)
    if largest <= _SMALL_WRITE:
        return _page_cuts(largest)
    connection.contents.max_write = largest - mmap.PAGESIZE + 1
    return range(largest - mmap.PAGESIZE + 1, largest - mmap.PAGESIZE + 2)


def _page_cuts(largest: int) -> range:
    return range(largest - mmap.PAGESIZE + 1, largest + 1)


def _import(binding: _Binding) -> ModuleType:
    """Import the module of *binding* so that it loads a libfuse that it knows.

    Raises:
        OSError: if there is none.
    """
    if path := os.environ.get("FUSE_LIBRARY_PATH"):
        _check_version(path, binding)
    if path or os.environ.get("FUSE_LIBRARY_NAME"):
        return importlib.import_module(binding.module)  # the user chose
    # By themselves, both bindings search for libfuse 2 first. Their search also needs ldconfig or a compiler,
    # which slim systems lack; the dynamic linker finds a library by its full name without either.
    os.environ["FUSE_LIBRARY_PATH"] = _find_library(binding.libraries)
    try:
        return importlib.import_module(binding.module)
    finally:
        del os.environ["FUSE_LIBRARY_PATH"]


def _check_version(path: str, binding: _Binding) -> None:
    """Check that *binding* supports the libfuse at *path*: fusepy would load libfuse 3 and misread its structures.

    Raises:
        OSError: if it does not.
    """
    major = int(str(ctypes.CDLL(path).fuse_version())[0])  # 29 is 2.9, 314 is 3.14
    if major not in binding.versions:
        raise OSError(f"{path} is libfuse {major}")


def _find_library(names: tuple[str, ...]) -> str:
    """Return the first of *names* that the dynamic linker can load.

    Raises:
        OSError: if it can load none of them.
    """
    for name in names:
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return name
    raise OSError(f"no {' or '.join(names)}")
