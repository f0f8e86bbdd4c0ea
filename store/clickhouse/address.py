"""Addresses: ``clickhouse://<user>@<host>:<port>/<database>``, and the password, which is never part of one."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from store.errors import EventStoreException

__all__ = ["PASSWORD_VARIABLE", "SCHEME", "Address", "parse_address"]

SCHEME = "clickhouse"

PASSWORD_VARIABLE = "THEIAFS_CLICKHOUSE_PASSWORD"  # noqa: S105 - its name
"""The environment variable with the password; the list of processes shows no environment to others."""

_PORT, _TLS_PORTS = 8123, (8443, 443)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OPTIONS = ("tls", "ca", "password_file", "cluster")
_YES_OR_NO = {"yes": True, "no": False}


@dataclass(frozen=True)
class Address:
    """The place of a database.

    Attributes:
        hosts: the names and ports of its servers, the first of which is asked; several when the events are on several shards.
        database: the name of the database.
        user: the name of the user that asks.
        has_tls: whether the connection is encrypted.
        ca_path: the path of the certificates that are trusted; empty for those of the system.
        password_path: the path of a file with the password; empty if it is in the environment.
        cluster: the name that the servers have for all of *hosts* together; empty for a single one.
    """

    hosts: tuple[tuple[str, int], ...]
    database: str
    user: str
    has_tls: bool
    ca_path: str
    password_path: str
    cluster: str

    def __str__(self) -> str:
        host, port = self.hosts[0]
        return f"{SCHEME}://{self.user}@{host}:{port}/{self.database}"


def parse_address(text: str) -> Address:
    """Parse the address *text*.

    Raises:
        EventStoreException: if it is not the address of a database.
    """
    user, colon, _ = _authority(text).rpartition("@")[0].partition(":")
    if colon:
        # Not shown: the message may go to a log.
        raise EventStoreException(
            f"the address has a password, which all users of the machine could see: put it into the environment as"
            f" {PASSWORD_VARIABLE}, or into a file, and name that: ?password_file=FILE"
        )
    try:
        parts = urlsplit(text)
        hosts = tuple(_host(each) for each in parts.netloc.rpartition("@")[2].split(","))
        options = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError as error:
        raise _invalid(text, str(error)) from error
    if parts.scheme != SCHEME:
        raise _invalid(text, f"it does not begin with {SCHEME}://")
    database = unquote(parts.path.removeprefix("/")) or "default"
    if not _NAME.fullmatch(database):
        raise _invalid(text, f"no name of a database: {database!r}")
    tls, ca_path, password_path, cluster = (options.pop(name, "") for name in _OPTIONS)
    if options:
        raise _invalid(
            text, f"unknown: {', '.join(sorted(options))}; there are {', '.join(_OPTIONS)}"
        )
    if tls not in ("", *_YES_OR_NO):
        raise _invalid(text, f"tls is yes or no, not {tls!r}")
    if cluster and not _NAME.fullmatch(cluster):
        raise _invalid(text, f"no name of a cluster: {cluster!r}")
    if len(hosts) > 1 and not cluster:
        raise _invalid(
            text,
            "several servers, but no cluster: name what they call themselves, ?cluster=NAME; of replicas, name one",
        )
    has_tls = _YES_OR_NO[tls] if tls else hosts[0][1] in _TLS_PORTS
    default_port = _TLS_PORTS[0] if has_tls else _PORT
    return Address(
        tuple((host, port or default_port) for host, port in hosts),
        database,
        unquote(user) or "default",
        has_tls,
        ca_path,
        password_path,
        cluster,
    )


def _authority(text: str) -> str:
    """Return what is before the path in the address *text*, or up to its last at sign: a password may have slashes in it."""
    rest = text.partition("://")[2].partition("?")[0]
    before, at, after = rest.rpartition("@")
    return before + at + after.partition("/")[0]


def _host(text: str) -> tuple[str, int]:
    """Return the name in *text* and the port, 0 if there is none."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or 0


def _invalid(text: str, reason: str) -> EventStoreException:
    return EventStoreException(
        f"not the address of a database: {text!r}: {reason}; give {SCHEME}://USER@HOST:PORT/DATABASE"
    )
