"""Settings of a mount, and how they are written after ``-o``."""

import grp
import os
import pwd
from dataclasses import dataclass, field, replace

from theiafs.errors import MountError

__all__ = ["Settings", "parse_options"]

_SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# Handed on as they are: libfuse, fusermount or the kernel act on them.
_PASSED_ON = frozenset(
    {"allow_other", "allow_root", "default_permissions", "nosuid", "nodev", "noexec", "noatime"}
)
# What mount(8) and fstab add and nobody here needs.
_IGNORED = frozenset({"defaults", "auto", "noauto", "user", "users", "nouser", "nofail", "_netdev"})


@dataclass(frozen=True)
class Settings:
    """How to mount.

    Attributes:
        uid: owner of all files.
        gid: group of all files.
        umask: permission bits that no file has.
        event_size_max: the largest event that can be appended, in bytes.
        flush_interval_ms: milliseconds between flushes of the store; 0 flushes at every write.
        syncs_writes: whether a write survives a loss of power before it returns.
        is_read_only: whether to follow a store that another process writes, and write nothing.
        log_path: where a mount in the background logs; empty for the default.
        fuse_options: options for libfuse, by name.
    """

    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)
    umask: int = 0o022
    event_size_max: int = 1 << 20
    flush_interval_ms: float = 1000
    syncs_writes: bool = False
    is_read_only: bool = False
    log_path: str = ""
    fuse_options: frozenset[str] = frozenset()


def parse_options(text: str) -> Settings:
    """Read what stands after ``-o``: options separated by commas.

    Raises:
        MountError: if an option is unknown, or its value is none.
    """
    settings = Settings()
    for option in filter(None, text.split(",")):
        name, _, value = option.partition("=")
        try:
            settings = _apply(settings, name, value)
        except (ValueError, KeyError) as error:
            raise MountError(f"option {option!r}: not a value for {name}") from error
    if settings.fuse_options & {"allow_other", "allow_root"}:
        # Otherwise the kernel would let everybody do everything.
        settings = replace(settings, fuse_options=settings.fuse_options | {"default_permissions"})
    return settings


def _apply(settings: Settings, name: str, value: str) -> Settings:
    match name:
        case "uid":
            return replace(
                settings, uid=int(value) if value.isdigit() else pwd.getpwnam(value).pw_uid
            )
        case "gid":
            return replace(
                settings, gid=int(value) if value.isdigit() else grp.getgrnam(value).gr_gid
            )
        case "umask":
            return replace(settings, umask=_in_range(int(value, 8), 0o777))
        case "max_event":
            return replace(settings, event_size_max=_size(value))
        case "flush":
            return replace(settings, flush_interval_ms=_in_range(int(value), 3_600_000))
        case "sync" | "async" if not value:
            return replace(settings, syncs_writes=name == "sync")
        case "ro" | "rw" if not value:
            return replace(settings, is_read_only=name == "ro")
        case "log" if value:
            return replace(settings, log_path=os.path.abspath(value))
        case _ if name in _PASSED_ON and not value:
            return replace(settings, fuse_options=settings.fuse_options | {name})
        case _ if name in _IGNORED or name.startswith("x-"):
            return settings
    raise MountError(
        f"unknown option {name!r}; there are uid, gid, umask, max_event, flush, sync, ro, log, "
        + ", ".join(sorted(_PASSED_ON))
    )


def _size(text: str) -> int:
    digits = text.rstrip("KMG")
    return _in_range(int(digits) * _SIZE_UNITS[text[len(digits) :]], 1 << 31, 1)


def _in_range(number: int, largest: int, smallest: int = 0) -> int:
    if not smallest <= number <= largest:
        raise ValueError(number)
    return number
