"""Servers: starting, stopping and killing them."""

import contextlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["CLUSTER", "Server", "free_ports"]

CLUSTER = "theiafs"
"""The name that servers have for all shards together."""

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 10
_POLL_S = 0.05
_CONFIG = """<clickhouse>
    <listen_host>{host}</listen_host>
    <http_port>{http_port}</http_port>
    <tcp_port>{tcp_port}</tcp_port>
    <logger><level>warning</level><log>server.log</log></logger>
    <max_server_memory_usage>{memory_size}</max_server_memory_usage>
    <remote_servers><{cluster}>{shards}</{cluster}></remote_servers>
</clickhouse>
"""
_SHARD = "<shard><replica><host>{host}</host><port>{port}</port></replica></shard>"
_MEMORY_SIZE = 4 << 30


def free_ports(count: int) -> list[int]:
    """Return *count* ports of the loopback interface that nothing listens on."""
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.bind((_HOST, 0))
        return [each.getsockname()[1] for each in opened]


class Server:
    """A server.

    Args:
        directory: where it keeps its data.
        http_port: where it listens for HTTP; 0 for any free port.
        tcp_port: where it listens for other servers; 0 for any free port.
        shards: where all servers that share the events listen for each other; itself, by default.
    """

    def __init__(
        self, directory: Path, http_port: int = 0, tcp_port: int = 0, shards: Sequence[int] = ()
    ) -> None:
        free = free_ports(2)
        http_port, tcp_port = http_port or free[0], tcp_port or free[1]
        self.directory = directory
        self.port = http_port
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        listed = "".join(_SHARD.format(host=_HOST, port=port) for port in shards or [tcp_port])
        config = _CONFIG.format(
            host=_HOST,
            http_port=http_port,
            tcp_port=tcp_port,
            memory_size=_MEMORY_SIZE,
            cluster=CLUSTER,
            shards=listed,
        )
        (directory / "config.xml").write_text(config)

    @property
    def host(self) -> str:
        """The host and port that it listens on."""
        return f"{_HOST}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            OSError: if it does not.
        """
        command = [sys.executable, "-m", "engines.process", str(self.directory)]
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=Path(__file__).parents[1],
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            # Ends at once with the process, and otherwise after a pause.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_S)
            if self._process.returncode is not None or time.monotonic() > deadline:
                self.kill()
                raise OSError(
                    f"ClickHouse does not start; see {self.directory}/output and server.log there"
                )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=1)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End it; what it has stored is on the disk."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def process_id(self) -> int:
        """The id of its process."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Send it the signal *number*: SIGSTOP makes it slow without end."""
        if self._process is not None:
            self._process.send_signal(number)
