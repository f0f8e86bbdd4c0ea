"""The settings of a mount, parsed from the options after ``-o``."""

import grp
import os
import pwd
from dataclasses import dataclass, field, replace
from typing import Any

from theiafs.errors import MountError

__all__ = ["Settings", "parse_options"]

_SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# Options that are sizes: the attribute of the settings, and the maximum.
_SIZES = {
    "max_event": ("event_size_max", 1 << 31),
    "memory": ("memory_size", 1 << 50),
    "log_keep": ("log_keep_size", 1 << 50),
}
# Passed on unchanged: libfuse, fusermount or the kernel act on them.
_PASSED_ON = frozenset(
    {"allow_other", "allow_root", "default_permissions", "nosuid", "nodev", "noexec", "noatime"}
)
# Accepted and ignored: added by mount(8) or fstab.
_IGNORED = frozenset({"defaults", "auto", "noauto", "user", "users", "nouser", "nofail", "_netdev"})


@dataclass(frozen=True)
class Settings:
    """How to mount.

    Attributes:
        uid: owner of all files.
        gid: group of all files.
        umask: permission bits that no file has.
        event_size_max: size of the largest event that can be appended.
        flush_interval_ms: time between flushes of the store; 0 flushes at every write.
        memory_size: memory budget of the store.
        log_keep_size: maximum size of the flushed records that the write-ahead log keeps.
        syncs_writes: whether a write is durable when it returns.
        can_remove: whether minutes and events can be removed.
        is_read_only: whether to follow a store that another process writes, and write nothing.
        log_path: log file of a mount in the background; the default one if empty.
        binding: name of the FUSE binding to load; if empty, the first that works.
        fuse_options: options for libfuse, by name.
    """

    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)
    umask: int = 0o022
    event_size_max: int = 1 << 20
    flush_interval_ms: float = 1000
    memory_size: int = 256 << 20
    log_keep_size: int = 1 << 30
    syncs_writes: bool = False
    can_remove: bool = False
    is_read_only: bool = False
    log_path: str = ""
    binding: str = ""
    fuse_options: frozenset[str] = frozenset()

    @property
    def options(self) -> str:
        """The options that say all of this."""
        options = [
            "ro" if self.is_read_only else "rw",
            "sync" if self.syncs_writes else "async",
            *(["delete"] if self.can_remove else []),
            f"uid={self.uid}",
            f"gid={self.gid}",
            f"umask={self.umask:03o}",
            f"flush={self.flush_interval_ms:g}",
            *(f"{name}={getattr(self, attribute)}" for name, (attribute, _) in _SIZES.items()),
            *sorted(self.fuse_options),
        ]
        return ",".join(options)


def parse_options(text: str) -> Settings:
    """Parse *text*, the options after ``-o``, separated by commas.

    Raises:
        MountError: if an option is unknown, or has an invalid value.
    """
    settings = Settings()
    for option in filter(None, text.split(",")):
        name, _, value = option.partition("=")
        try:
            settings = _apply(settings, name, value)
        except (ValueError, KeyError) as error:
            raise MountError(f"option {option!r}: invalid value for {name}") from error
    if settings.fuse_options & {"allow_other", "allow_root"}:
        # Otherwise the kernel would check no permissions at all.
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
        case "flush":
            return replace(settings, flush_interval_ms=_in_range(int(value), 3_600_000))
        case "sync" | "async" if not value:
            return replace(settings, syncs_writes=name == "sync")
        case "delete" if not value:
            return replace(settings, can_remove=True)
        case "ro" | "rw" if not value:
            return replace(settings, is_read_only=name == "ro")
        case "log" if value:
            return replace(settings, log_path=os.path.abspath(value))
        case "binding" if value:
            return replace(settings, binding=value)
        case _ if name in _SIZES:
            attribute, largest = _SIZES[name]
            changes: dict[str, Any] = {attribute: _size(value, largest)}
            return replace(settings, **changes)
        case _ if name in _PASSED_ON and not value:
            return replace(settings, fuse_options=settings.fuse_options | {name})
        case _ if name in _IGNORED or name.startswith("x-"):
            return settings
    raise MountError(
        f"unknown option {name!r}; there are uid, gid, umask, max_event, flush, memory, log_keep, sync, ro,"
        " delete, log, binding, " + ", ".join(sorted(_PASSED_ON))
    )


def _size(text: str, largest: int) -> int:
    digits = text.rstrip("KMG")
    return _in_range(int(digits) * _SIZE_UNITS[text[len(digits) :]], largest, 1)


def _in_range(number: int, largest: int, smallest: int = 0) -> int:
    if not smallest <= number <= largest:
        raise ValueError(number)
    return number
