"""A gateway before the server, as companies have them: it ends TLS, asks for a user and a password, and passes requests on."""

import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Gateway"]

_AUTHENTICATION_FAILED = 516
"""ClickHouse's number of the error."""


class Gateway:
    """A gateway on the loopback interface.

    Args:
        host: the server, as ``host:port``.
        user: the user that may ask.
        password: the password of the user.
        certificate: the certificate of the gateway, and what goes with it.

    Attributes:
        port: its port.
    """

    def __init__(self, host: str, user: str, password: str, certificate: ssl.SSLContext) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if (self.headers["X-ClickHouse-User"], self.headers["X-ClickHouse-Key"]) != (
                    user,
                    password,
                ):
                    self._answer(
                        403,
                        {"X-ClickHouse-Exception-Code": str(_AUTHENTICATION_FAILED)},
                        b"Code: 516. Authentication failed",
                    )
                    return
                server = http.client.HTTPConnection(host)
                server.request("POST", self.path, body)
                response = server.getresponse()
                name = "X-ClickHouse-Exception-Code"
                headers = {name: response.headers[name]} if name in response.headers else {}
                self._answer(response.status, headers, response.read())
                server.close()

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # The handshake is made by the thread of the connection: in the one that accepts, a failure would end it.
        self._server.socket = certificate.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._server.shutdown()
        self._server.server_close()
