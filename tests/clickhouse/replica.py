"""A stand-in for a server with replicas, before one without.

Replicated tables need Keeper, and the server that can be installed for tests keeps them read-only. So this answers what a store asks
of replicas alone: whether tables are replicated, which blocks are under way, which lack their quorum, and whether a replica has
fetched what the others have. Everything else is answered by the server, which numbers blocks in the same way.
"""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from store.clickhouse.replicas import SYNC_SQL
from tests.clickhouse.gateway import Gateway, Response, refusal

__all__ = ["Replica"]

_TIMEOUT_EXCEEDED = 159
"""ClickHouse's number of the error."""

_PATH = "/keeper/events"
_STAND_INS = {
    "ENGINE = Replicated": "ENGINE = ",
    "FROM system.replicas": f"FROM (SELECT '{_PATH}' AS zookeeper_path, currentDatabase() AS database, 'events' AS table)",
    "FROM system.databases": "FROM (SELECT name, 'Replicated' AS engine FROM system.databases)",
}


class Replica(Gateway):
    """A replica on the loopback interface.

    Args:
        server: the server, as ``host:port``.

    Attributes:
        under_way: the numbers of the blocks whose INSERTs have not ended.
        without_quorum: the numbers of the blocks that too few replicas have.
        failed: those of which it is certain that they will stay so.
        partition: how the tables are divided. A server without replicas numbers blocks in the same way in any number of partitions.
        can_fetch: whether it can get what others have stored.
        lags: whether it has yet to get an INSERT that is looked for.
        before: is called before each statement.
        statements: those that it got, without INSERTs.
        inserts: the settings of each INSERT.
    """

    def __init__(self, server: str) -> None:
        self.under_way: set[int] = set()
        self.without_quorum: set[int] = set()
        self.failed: set[int] = set()
        self.partition = "tuple()"
        self.can_fetch = True
        self.lags = False
        self.before: Callable[[str], object] = lambda _statement: None
        self.statements: list[str] = []
        self.inserts: list[dict[str, str]] = []
        super().__init__(server)

    @property
    def host(self) -> str:
        """The host and port that it listens on."""
        return f"127.0.0.1:{self.port}"

    @property
    def questions(self) -> int:
        """How often it was asked what is under way."""
        return sum("block_numbers" in each for each in self.statements)

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """See :meth:`Gateway.respond`."""
        settings = dict(parse_qsl(urlsplit(path).query))
        if "query" in settings:
            self.inserts.append(settings)
            return super().respond(path, headers, body)
        statement = body.decode()
        self.before(statement)
        self.statements.append(statement)
        if statement == SYNC_SQL:
            self.lags &= not self.can_fetch
            fetched = Response(200, {}, b"")
            return fetched if self.can_fetch else refusal(_TIMEOUT_EXCEEDED, "Timeout exceeded")
        stand_ins = {
            "FROM system.zookeeper": self._keeper(),
            "SELECT engine, partition_key FROM": f"SELECT concat('Replicated', engine), '{self.partition}' FROM",
            **({"WHERE insert_hash": "WHERE 0 AND insert_hash"} if self.lags else {}),
        }
        for text, instead in {**_STAND_INS, **stand_ins}.items():
            statement = statement.replace(text, instead)
        return super().respond(path, headers, statement.encode())

    def _keeper(self) -> str:
        """Return what Keeper has, as a table."""
        nodes = [(f"{_PATH}/block_numbers/all", f"block-{each:010}") for each in self.under_way]
        for name, blocks in (("parallel", self.without_quorum), ("failed_parts", self.failed)):
            nodes += [(f"{_PATH}/quorum/{name}", f"all_{each}_{each}_0") for each in blocks]
        rows = ", ".join(map(repr, [("/", "keeper"), *nodes]))
        return f"FROM values('path String, name String', {rows})"
