"""A proxy between a store and the server, which does what networks do to connections."""

import contextlib
import random
import socket
import threading
from dataclasses import dataclass, field

__all__ = ["Proxy", "Troubles"]

_PIECE_SIZE = 64 << 10
_SLOW_S = 0.2


@dataclass
class Troubles:
    """How often what happens to a request, from 0 to 1, and how often it did.

    Attributes:
        cut: the connection ends within a request.
        lost: the server gets it, and its answer is lost.
        slow: its answer comes late.
    """

    cut: float = 0.0
    lost: float = 0.0
    slow: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: {"cut": 0, "lost": 0, "slow": 0})

    def set(self, cut: float = 0.0, lost: float = 0.0, slow: float = 0.0) -> None:
        """Let these happen as often from now on."""
        self.cut, self.lost, self.slow = cut, lost, slow


class Proxy:
    """A proxy in threads of this process.

    Args:
        port: that of the server on the loopback interface.
        seed: what happens follows from it.
        troubles: what may happen.
    """

    def __init__(self, port: int, seed: int, troubles: Troubles) -> None:
        self._target = "127.0.0.1", port
        self._chance = random.Random(seed)
        self.troubles = troubles
        self._pause = threading.Event()  # never set: to wait
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        # Closing it alone would not wake the thread that waits for one.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._target)
                except OSError:
                    client.close()
                    continue
                for source, sink, names in (
                    (client, server, ("cut",)),
                    (server, client, ("lost", "slow")),
                ):
                    threading.Thread(
                        target=self._pass, args=(source, sink, names), daemon=True
                    ).start()

    def _pass(self, source: socket.socket, sink: socket.socket, names: tuple[str, ...]) -> None:
        """Pass on what comes from *source* to *sink*, unless one of the troubles *names* happens."""
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE_SIZE):
                happened = {name for name in names if self._happens(name)}
                if "slow" in happened:
                    self._pause.wait(_SLOW_S)
                if happened & {"cut", "lost"}:
                    sink.sendall(data[: len(data) // 2] if "cut" in happened else b"")
                    break
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _happens(self, name: str) -> bool:
        likelihood: float = getattr(self.troubles, name)
        happens = self._chance.random() < likelihood
        self.troubles.counts[name] += happens
        return happens
