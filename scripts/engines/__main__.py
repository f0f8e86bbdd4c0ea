"""The command: ``scripts/engine``."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from engines.server import CLUSTER, Server, free_ports

_PORT = 8123


def main() -> int:
    """Start the servers, print the address to mount, and wait for a signal."""
    arguments = _parser().parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ports = [arguments.port + number for number in range(arguments.shards)]
    tcp_ports = free_ports(arguments.shards)
    directory = arguments.directory.absolute()
    servers = [
        Server(
            directory / f"shard-{number}" if arguments.shards > 1 else directory,
            port,
            tcp_port,
            tcp_ports,
        )
        for number, (port, tcp_port) in enumerate(zip(ports, tcp_ports, strict=True), 1)
    ]
    try:
        for server in servers:
            server.start()
    except OSError as error:
        print(f"scripts/engine: {error}", file=sys.stderr)
        return 1
    else:
        hosts = ",".join(server.host for server in servers)
        cluster = f"?cluster={CLUSTER}" if len(servers) > 1 else ""
        print(f"clickhouse://{hosts}/events{cluster}", flush=True)
        ended.wait()
        return 0
    finally:
        for server in servers:
            server.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/engine",
        description="Start ClickHouse on this machine, in the foreground; the first line it prints is the address to mount.",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("engine"),
        metavar="DIR",
        help="where the data are kept (./engine)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=_PORT,
        metavar="N",
        help=f"the port, that of the first shard ({_PORT})",
    )
    parser.add_argument(
        "--shards", type=int, default=1, metavar="N", help="how many servers share the events (1)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
