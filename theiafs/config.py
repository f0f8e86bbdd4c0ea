"""The settings of a mount, parsed from the options after ``-o``."""

import grp
import os
import pwd
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from theiafs.errors import MountError
from theiafs.rendering.escaping import escape

__all__ = ["OTHERS", "Settings", "parse_options", "parse_size", "without_unknown"]

_SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
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
# Accepted and ignored: what mount(8), fstab and systemd add. The tree has no devices and no programs, and reading it sets no time.
_IGNORED = frozenset(
    {
        "_netdev",
        "atime",
        "auto",
        "defaults",
        "dev",
        "diratime",
        "dirsync",
        "exec",
        "group",
        "iversion",
        "lazytime",
        "loud",
        "mand",
        "noauto",
        "nodiratime",
        "nofail",
        "nogroup",
        "noiversion",
        "nolazytime",
        "nomand",
        "noowner",
        "norelatime",
        "nostrictatime",
        "nouser",
        "nousers",
        "owner",
        "relatime",
        "silent",
        "strictatime",
        "suid",
        "symfollow",
        "user",
        "users",
    }
)
_IGNORED_BEGINNINGS = ("x-", "X-", "comment=", "user=", "uhelper=", "helper=")
"""The beginnings of options for programs that read fstab."""


_WORDS = frozenset({"sync", "async", "delete", "ro", "rw", "strict"})
"""The options of ours that have no value."""

OTHERS = frozenset({"allow_other", "allow_root"})
"""The options that give other users access."""

_DROP_BOX_UMASK = 0o077
"""The default of the umask when the mode of ingest files is given: not all that may append may read."""

_ATTR_TIMEOUT_MAX_S = 1.0
"""What follows files relies on it that their sizes are at most this old, in seconds."""

_TIMEOUT_MAX_S, _DAYS_MAX, _REPLICAS_MAX = 3600.0, 36_500, 100

_ID_MAX = (1 << 32) - 2
"""The largest number of a user or a group: the next one means none, and larger ones would be cut to others."""

_Number = TypeVar("_Number", int, float)

_KEY = re.compile(r"[\w.@-]+")
"""The name of a field that may become a tag."""


@dataclass(frozen=True)
class Settings:
    """How to mount.

    Attributes:
        uid: owner of all files.
        gid: group of all files.
        umask: permission bits that no file has, except where *ingest_mode* says otherwise.
        ingest_mode: permission bits of the files that events are appended to; None: by the umask.
        event_size_max: size of the largest event that can be appended.
        flush_interval_ms: time between flushes of the store; 0 flushes at every write.
        memory_size: memory budget of the store.
        log_keep_size: maximum size of the flushed records that the write-ahead log keeps.
        syncs_writes: whether a write is durable when it returns.
        can_remove: whether minutes and events can be removed.
        is_read_only: whether to follow a store that another process writes, and write nothing.
        zone: the time zone of times without an offset, and of days.
        keys: the names of the fields of lines in a format that become tags.
        log_path: log file of a mount in the background; the default one if empty.
        binding: name of the FUSE binding to load; if empty, the first that works.
        timeout_s: how long an engine on the network may take, in seconds.
        spool_directory: where what is written waits for such an engine; empty for nowhere.
        ttl_days: how long such an engine keeps events, in days; 0 leaves that as it is.
        quorum: on how many of its replicas what is written is stored before a write returns; empty for one.
        is_strict: whether what other mounts of such an engine have stored shows at once.
        attr_timeout_s: how long the kernel may keep sizes and times of files, in seconds.
        fuse_options: options for libfuse, by name.
    """

    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)
    umask: int = 0o022
    ingest_mode: int | None = None
    event_size_max: int = 1 << 20
    flush_interval_ms: float = 1000
    memory_size: int = 256 << 20
    log_keep_size: int = 1 << 30
    syncs_writes: bool = False
    can_remove: bool = False
    is_read_only: bool = False
    zone: tzinfo = UTC
    keys: tuple[str, ...] = ()
    log_path: str = ""
    binding: str = ""
    timeout_s: float = 30
    spool_directory: str = ""
    ttl_days: int = 0
    quorum: str = ""
    is_strict: bool = False
    attr_timeout_s: float = 1
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
            *([f"ingest_mode={self.ingest_mode:04o}"] if self.ingest_mode is not None else []),
            f"flush={self.flush_interval_ms:g}",
            *(f"{name}={getattr(self, attribute)}" for name, (attribute, _) in _SIZES.items()),
            f"attr_timeout={self.attr_timeout_s:g}",
            *([f"tz={self.zone}"] if self.zone is not UTC else []),
            f"timeout={self.timeout_s:g}",
            *([f"ttl={self.ttl_days}d"] if self.ttl_days else []),
            *([f"quorum={self.quorum}"] if self.quorum else []),
            *(["strict"] if self.is_strict else []),
            *([f"keys={':'.join(self.keys)}"] if self.keys else []),
            *sorted(self.fuse_options),
        ]
        return ",".join(options)


def parse_options(text: str) -> Settings:
    """Parse *text*, the options after ``-o``, separated by commas.

    Raises:
        MountError: if an option is unknown, or has an invalid value.
    """
    settings = Settings()
    options = _options(text)
    if any(option.startswith("ingest_mode=") for option in options):
        settings = replace(settings, umask=_DROP_BOX_UMASK)
    for option in options:
        name, _, value = option.partition("=")
        try:
            settings = _apply(settings, name, value)
        except (ValueError, KeyError) as error:
            raise MountError(
                f"option {option!r}: invalid value for {name}: give {_FORMS[name]}"
            ) from error
    if settings.fuse_options & OTHERS or settings.ingest_mode is not None:
        # Otherwise the kernel would check no permissions at all.
        settings = replace(settings, fuse_options=settings.fuse_options | {"default_permissions"})
    return settings


def without_unknown(text: str) -> str:
    """Return *text*, options as :func:`parse_options` takes them, without those that are unknown."""
    return ",".join(
        option
        for option in _options(text)
        if option.partition("=")[0] in {*_KNOWN, *_IGNORED}
        or option.startswith(_IGNORED_BEGINNINGS)
    )


def _options(text: str) -> list[str]:
    """Split *text* at its commas, but not within the names of fields: ``keys=status,method,ro`` is two options.

    Words that are ignored as options do not end the names: ``user`` is a field of access logs, and no field is named ``nofail``.
    """
    options: list[str] = []
    for word in filter(None, text.split(",")):
        is_option = "=" in word or word in _WORDS or word in _PASSED_ON
        if options and options[-1].startswith("keys=") and not is_option:
            options[-1] += f":{word}"
        else:
            options.append(word)
    return options


def _apply(settings: Settings, name: str, value: str) -> Settings:
    match name:
        case "sync" | "async" if not value:
            return replace(settings, syncs_writes=name == "sync")
        case "delete" if not value:
            return replace(settings, can_remove=True)
        case "strict" if not value:
            return replace(settings, is_strict=True, attr_timeout_s=0)
        case "ro" | "rw" if not value:
            return replace(settings, is_read_only=name == "ro")
        case _ if name in _VALUES:
            attribute, read = _VALUES[name]
            changes: dict[str, Any] = {attribute: read(value)}
            return replace(settings, **changes)
        case _ if name in _SIZES:
            attribute, largest = _SIZES[name]
            changes = {attribute: parse_size(value, largest)}
            return replace(settings, **changes)
        case _ if name in _PASSED_ON and not value:
            return replace(settings, fuse_options=settings.fuse_options | {name})
        case _ if name in _IGNORED or f"{name}={value}".startswith(_IGNORED_BEGINNINGS):
            return settings
        case "remount":
            raise MountError(
                "option 'remount': to change options, unmount, and mount again with the new ones"
            )
    if name in _KNOWN:
        raise MountError(f"option '{name}={value}': {name} has no value: write {name} alone")
    raise MountError(f"unknown option {name!r}; there are {', '.join(_KNOWN)}, and those of fstab")


def parse_size(text: str, largest: int) -> int:
    """Return the number of bytes that *text* says, such as 64K; at least 1 and at most *largest*.

    Raises:
        ValueError: if it says none.
    """
    digits = text.rstrip("KMGT")
    return _in_range(int(digits) * _SIZE_UNITS[text[len(digits) :]], largest, 1)


def _in_range(number: _Number, largest: _Number, smallest: int = 0) -> _Number:
    if not smallest <= number <= largest:
        raise ValueError(number)
    return number


def _user(value: str) -> int:
    return _in_range(int(value), _ID_MAX) if value.isdigit() else pwd.getpwnam(value).pw_uid


def _group(value: str) -> int:
    return _in_range(int(value), _ID_MAX) if value.isdigit() else grp.getgrnam(value).gr_gid


def _mode(value: str) -> int:
    return _in_range(int(value, 8), 0o777)


def _zone(value: str) -> tzinfo:
    return UTC if value == "UTC" else ZoneInfo(value)


def _keys(value: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(value.split(":")))
    if not all(map(_KEY.fullmatch, keys)):
        raise ValueError(value)
    return keys


def _days(value: str) -> int:
    if not value.endswith("d"):
        raise ValueError(value)
    return _in_range(int(value[:-1]), _DAYS_MAX, 1)


def _quorum(value: str) -> str:
    return value if value == "auto" else str(_in_range(int(value), _REPLICAS_MAX, 1))


def _path(value: str) -> str:
    return os.path.abspath(_text(value))


def _shown_path(value: str) -> str:
    """Return the absolute path *value*, which the status shows as it is."""
    path = os.fsencode(_path(value))
    if escape(path) != path:
        raise ValueError(value)
    return path.decode()


def _text(value: str) -> str:
    if not value:
        raise ValueError(value)
    return value


_VALUES: dict[str, tuple[str, Callable[[str], object]]] = {
    "uid": ("uid", _user),
    "gid": ("gid", _group),
    "umask": ("umask", _mode),
    "ingest_mode": ("ingest_mode", _mode),
    "flush": ("flush_interval_ms", lambda value: _in_range(int(value), 3_600_000)),
    "attr_timeout": ("attr_timeout_s", lambda value: _in_range(float(value), _ATTR_TIMEOUT_MAX_S)),
    "tz": ("zone", _zone),
    "keys": ("keys", _keys),
    "log": ("log_path", _path),
    "timeout": ("timeout_s", lambda value: _in_range(float(value), _TIMEOUT_MAX_S, 1)),
    "spool": ("spool_directory", _shown_path),
    "ttl": ("ttl_days", _days),
    "quorum": ("quorum", _quorum),
    "binding": ("binding", _text),
}
"""Options that have values: the attribute of the settings, and what reads its value."""

_FORMS = {
    "uid": "the name or the number of a user",
    "gid": "the name or the number of a group",
    "umask": "permission bits in octal, such as 027",
    "ingest_mode": "permission bits in octal, such as 0222",
    "flush": "milliseconds from 0 to 3600000",
    "attr_timeout": "seconds from 0 to 1",
    "tz": "the name of a time zone, such as Europe/Berlin or UTC",
    "keys": "names of fields separated by commas, such as status,method",
    "log": "the path of a file",
    "timeout": "seconds from 1 to 3600",
    "spool": "the path of a directory, in UTF-8 and without control characters",
    "ttl": "a number of days, such as 30d",
    "quorum": "a number of replicas, such as 2, or auto for most of them",
    "binding": "fusepy or mfusepy",
    **{
        name: f"a size from 1 to {largest >> 30}G, such as 64K, 10M or 1G"
        for name, (_, largest) in _SIZES.items()
    },
}
"""The values that options have, as messages say them."""

_KNOWN = [*_FORMS, *sorted(_WORDS), *sorted(_PASSED_ON)]
"""The options that do something."""
