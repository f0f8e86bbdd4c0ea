"""Requests to the engine over HTTP. The only module that knows its interface.

A request is answered as a whole, or it fails: the engine buffers an answer until it is complete. How it fails says what is
known of a change: that it was not made (:class:`Refused`, :class:`Away`), or nothing (:class:`Unknown`).
"""

import http.client
import ssl
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from store.clickhouse.address import Address
from store.errors import EventReadException, EventWriteException

__all__ = ["Away", "Refused", "Unknown", "Wire"]

_CONNECT_TIMEOUT_S = 5.0
_OK = 200
_BUFFER_SIZE = 64 << 20
"""The engine keeps this much of an answer in memory, in bytes, and what is longer in a file, until it is complete."""

_RETRY_MIN_S = 0.1
"""With less time left than this, in seconds, a question is not asked again."""

# Errors of the engine, by their numbers in its source: ErrorCodes.cpp.
_MAY_PASS = frozenset({202, 225, 241, 242, 252, 285, 439})
"""Errors that may not come again. TOO_MANY_SIMULTANEOUS_QUERIES, NO_ZOOKEEPER, MEMORY_LIMIT_EXCEEDED, TABLE_IS_READ_ONLY, TOO_MANY_PARTS,
TOO_FEW_LIVE_REPLICAS, which is found before anything is stored, CANNOT_SCHEDULE_TASK."""
_SAYS_NOTHING = frozenset({32, 159, 209, 210, 236, 279, 286, 319, 394, 425, 999, 1000, 1001, 1002})
"""Errors after which an INSERT may have been made. ATTEMPT_TO_READ_AFTER_EOF, TIMEOUT_EXCEEDED, SOCKET_TIMEOUT, NETWORK_ERROR, ABORTED,
ALL_CONNECTION_TRIES_FAILED, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE, UNKNOWN_STATUS_OF_INSERT,
QUERY_WAS_CANCELLED, SYSTEM_ERROR, KEEPER_EXCEPTION, and those of libraries."""


class Away(EventReadException, EventWriteException):
    """The engine cannot be reached; nothing was asked."""


class Unknown(EventReadException, EventWriteException):
    """The engine gave no answer, or none that says whether a change was made."""


class Refused(EventReadException, EventWriteException):
    """The engine refuses; no change was made.

    Attributes:
        code: its number for the error.
        may_pass: whether it may accept the same later.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
        self.may_pass = code in _MAY_PASS


class Wire:
    """Connections to the engine. Any number of threads may use it.

    Args:
        address: where it is.
        password: that of the user.
        timeout_s: how long to wait for an answer, in seconds.
    """

    def __init__(self, address: Address, password: str, timeout_s: float) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._host, self._port = address.hosts[0]
        # As bytes: http.client would encode them otherwise.
        self._headers = {
            "X-ClickHouse-User": address.user.encode(),
            "X-ClickHouse-Key": password.encode("utf-8", "surrogateescape"),
        }
        self._tls = (
            ssl.create_default_context(cafile=address.ca_path or None) if address.has_tls else None
        )
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def fetch(
        self, sql: str, parameters: Mapping[str, str] | None = None, **settings: str
    ) -> bytes:
        """Ask *sql*, which changes nothing, with *parameters* and *settings*, and return the answer.

        Raises:
            EventReadException: if there is none.
        """
        deadline = time.monotonic() + self.timeout_s
        try:
            return self._ask(sql.encode(), settings, parameters or {}, self.timeout_s)
        except (Unknown, Away):
            # The engine may have been started again, or a part of the network.
            left_s = deadline - time.monotonic()
            if left_s < _RETRY_MIN_S:
                raise
            return self._ask(sql.encode(), settings, parameters or {}, left_s)

    def ask(self, sql: str, timeout_s: float, **settings: str) -> bytes:
        """Ask *sql*, which changes nothing, with *settings*, once, and wait at most *timeout_s* seconds for the answer.

        Raises:
            EventReadException: if there is none.
        """
        return self._ask(sql.encode(), settings, {}, timeout_s)

    def execute(
        self, sql: str, parameters: Mapping[str, str] | None = None, **settings: str
    ) -> None:
        """Make the change *sql*, with *parameters* and *settings*, once.

        Raises:
            EventWriteException: if it was not made, or that is unknown.
        """
        self._ask(sql.encode(), settings, parameters or {}, self.timeout_s)

    def insert(self, sql: str, data: bytes, timeout_s: float, **settings: str) -> None:
        """Insert *data* by *sql* with *settings*, and wait at most *timeout_s* seconds for the answer.

        Raises:
            EventWriteException: if it was not inserted, or that is unknown.
        """
        self._ask(data, {"query": sql, **settings}, {}, timeout_s)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def _ask(
        self,
        body: bytes,
        settings: Mapping[str, str],
        parameters: Mapping[str, str],
        timeout_s: float,
    ) -> bytes:
        url = "/?" + urlencode(
            {
                "database": self.address.database,
                "wait_end_of_query": "1",
                "buffer_size": str(_BUFFER_SIZE),
                **settings,
                **{f"param_{name}": value for name, value in parameters.items()},
            }
        )
        deadline = time.monotonic() + timeout_s
        connection = self._connect(min(timeout_s, _CONNECT_TIMEOUT_S))
        try:
            connection.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            connection.request("POST", url, body, self._headers)
            # It has the connection until it is closed, also if it is cut.
            with connection.getresponse() as response:
                if not response.chunked and response.length is None:
                    # Its headers ended too early, which http.client takes for an answer without a length.
                    raise http.client.IncompleteRead(b"")
                data = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unknown(f"{self.address} gave no answer: {_shown(error)}") from error
        if response.status == _OK and "X-ClickHouse-Exception-Code" not in response.headers:
            self._keep(connection)
            return data
        connection.close()
        message = data.decode(errors="replace").strip().partition("\n")[0]
        code = int(response.headers.get("X-ClickHouse-Exception-Code", 0))
        if code in _SAYS_NOTHING or not code:
            raise Unknown(f"{self.address}: {message or response.status}")
        raise Refused(f"{self.address}: {message}", code)

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        """Return a connection, one that was used before if it is still alive.

        Raises:
            Away: if there is none.
        """
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if _is_alive(connection):
                    return connection
                connection.close()
        if self._tls is not None:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        try:
            connection.connect()
        except OSError as error:
            raise Away(f"{self.address} cannot be reached: {_shown(error)}") from error
        return connection

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.append(connection)


def _is_alive(connection: http.client.HTTPConnection) -> bool:
    """Return whether the engine has not closed *connection*: one that rests has nothing to be read."""
    if connection.sock is None:
        return False
    connection.sock.settimeout(0)
    try:
        connection.sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:  # it was reset
        return False
    return False


def _shown(error: Exception) -> str:
    return str(error) or type(error).__name__
