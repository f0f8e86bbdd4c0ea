"""Daemons that tests run, in the foreground and on loopback."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ENVIRONMENT", "free_port", "is_listening", "running"]

# Daemons are where only the administrator looks.
ENVIRONMENT = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


@contextmanager
def running(*command: str, zone: str = "UTC") -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon in the foreground and in a time zone, and end it."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT | {"TZ": zone},
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def is_listening(port: int) -> bool:
    """Return whether something listens on a *port* of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
