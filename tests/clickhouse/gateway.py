"""Gateways before the server, which pass requests on: what it does not do itself, they do for it."""

import http.client
import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

__all__ = ["Gateway", "Response", "TlsGateway", "refusal"]

_CODE = "X-ClickHouse-Exception-Code"
_AUTHENTICATION_FAILED = 516
"""ClickHouse's number of the error."""


class Response(NamedTuple):
    """A response to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refusal(code: int, message: str) -> Response:
    """Return the response that the server gives for its error *code*."""
    return Response(500, {_CODE: str(code)}, f"Code: {code}. {message}".encode())


class Gateway:
    """A gateway on the loopback interface, which passes on everything.

    Args:
        host: the server, as ``host:port``.
        certificate: the certificate of the gateway, and what goes with it; None for no TLS.

    Attributes:
        port: its port.
    """

    def __init__(self, host: str, certificate: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._is_closed = False
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else the body waits until the headers are acknowledged

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.close_connection = gateway._is_closed
                if self.close_connection:
                    return
                status, headers, body = gateway.respond(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            # The handshake is made by the thread of the connection: in the one that accepts, a failure would end it.
            self._server.socket = certificate.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response to the request of *path* with *headers* and *body*: that of the server."""
        del headers
        server = http.client.HTTPConnection(self._host)
        try:
            server.request("POST", path, body)
            response = server.getresponse()
            found = {name: value for name, value in response.headers.items() if name == _CODE}
            return Response(response.status, found, response.read())
        finally:
            server.close()

    def close(self) -> None:
        """Accept no more connections, and answer no more requests."""
        self._is_closed = True
        self._server.shutdown()
        self._server.server_close()


class TlsGateway(Gateway):
    """A gateway as companies have them: it ends TLS, and asks for a user and a password.

    Args:
        host: the server, as ``host:port``.
        user: the user that may ask.
        password: the password of the user.
        certificate: the certificate of the gateway, and what goes with it.
    """

    def __init__(self, host: str, user: str, password: str, certificate: ssl.SSLContext) -> None:
        self._login = user, password
        super().__init__(host, certificate)

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """See :meth:`Gateway.respond`; without the user and the password, a refusal."""
        if (headers.get("X-ClickHouse-User"), headers.get("X-ClickHouse-Key")) != self._login:
            return refusal(_AUTHENTICATION_FAILED, "Authentication failed")
        return super().respond(path, headers, body)
