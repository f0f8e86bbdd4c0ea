"""Servers on a troubled network, which are killed."""

import random
import threading
from collections.abc import Sequence
from pathlib import Path

from engines.server import CLUSTER, Server, free_ports

from tests.clickhouse.proxy import Proxy, Troubles

__all__ = ["Servers"]

_AWAY_S = 0.3
"""How long a server is away before it is started again, at most."""

_TO_MOUNTS = {"cut": 0.02, "lost": 0.04, "slow": 0.02}
_BETWEEN_SERVERS = {"cut": 0.005, "lost": 0.005, "slow": 0.01}
"""They need many more messages for a request."""


class Servers:
    """Servers, which are the shards of one database if there are several, with a troubled network before and between them.

    Args:
        directory: where they keep their data.
        seed: of the troubles.
        count: how many.
    """

    def __init__(self, directory: Path, seed: int, count: int) -> None:
        self._to_mounts, self._between = Troubles(), Troubles()
        free = free_ports(2 * count)  # at once, for another call may return the same
        ports, tcp_ports = free[:count], free[count:]
        self._proxies = [Proxy(port, seed, self._to_mounts) for port in ports]
        peers = [Proxy(port, seed, self._between) for port in tcp_ports]
        self._all = []
        for number, port in enumerate(ports):
            # Each listens for the others without a proxy, by which it knows that it is this one.
            shards = [peer.port for peer in peers]
            shards[number] = tcp_ports[number]
            self._all.append(Server(directory / str(number), port, tcp_ports[number], shards))
        self._peers = peers
        self._cluster = f"?cluster={CLUSTER}" if count > 1 else ""
        for each in self._all:
            each.start()

    @property
    def address(self) -> str:
        """The address of the database, without any trouble."""
        return self._address([server.host for server in self._all])

    @property
    def troubled_address(self) -> str:
        """Its address for mounts."""
        return self._address([f"127.0.0.1:{proxy.port}" for proxy in self._proxies])

    def _address(self, hosts: Sequence[str]) -> str:
        return f"clickhouse://{','.join(hosts)}/chaos{self._cluster}"

    @property
    def troubles(self) -> dict[str, int]:
        """How often what happened, on the way to the servers, and if there are several, between them."""
        found = dict(self._to_mounts.counts)
        if self._cluster:
            found |= {
                f"{name} between servers": count for name, count in self._between.counts.items()
            }
        return found

    def begin_troubles(self) -> None:
        """Let things happen on the network."""
        self._to_mounts.set(**_TO_MOUNTS)
        self._between.set(**_BETWEEN_SERVERS)

    def end_troubles(self) -> None:
        """Let nothing happen on the network any more."""
        for each in (self._to_mounts, self._between):
            each.set()

    def kill_one(self, chance: random.Random) -> None:
        """Kill a server, and start it again a little later."""
        killed = chance.choice(self._all)
        killed.kill()
        threading.Event().wait(chance.uniform(0, _AWAY_S))
        killed.start()

    def stop(self) -> None:
        """End them."""
        for proxy in (*self._proxies, *self._peers):
            proxy.close()
        for server in self._all:
            server.stop()
