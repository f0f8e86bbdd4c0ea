"""The services: what each logs when all is well, and when it fails."""

from dataclasses import dataclass

__all__ = ["SERVICES", "Failure", "Service", "seconds_at"]


def seconds_at(clock: str) -> int:
    """Return the seconds since midnight of a *clock* time like ``09:41:12``."""
    hours, minutes, seconds = map(int, clock.split(":"))
    return 3600 * hours + 60 * minutes + seconds


@dataclass(frozen=True)
class Failure:
    """A failure of a service: from *start* to *end*, in seconds since midnight, it logs *messages* in place of its others.

    Attributes:
        start: when the first of them is logged, for certain.
        end: when the last of them may be.
        share: how many of its events they are, at most.
        messages: templates.
        is_steady: whether it is as bad all the time, rather than growing, and worst in one minute.
    """

    start: int
    end: int
    share: float
    messages: tuple[str, ...]
    is_steady: bool = False


@dataclass(frozen=True)
class Service:
    """A service.

    Attributes:
        name: the source of its events.
        tags: their tags.
        weight: how many of the events it logs, relative to the others.
        messages: templates, the ordinary ones; a name after ``$`` is a value that is drawn.
        failure: how it fails; None if it does not.
    """

    name: str
    tags: tuple[str, ...]
    weight: int
    messages: tuple[str, ...]
    failure: Failure | None = None


def _until_cancelled(start: str, share: float, *messages: str) -> Failure:
    """Return a failure that begins at *start* and ends with the fault."""
    return Failure(seconds_at(start), seconds_at("10:31:20"), share, messages)


SERVICES = (
    Service(
        "gateway",
        ("edge", "http"),
        300,
        (
            '$ip "GET /api/items/$id" 200 $bytes ${ms}ms',
            '$ip "GET /api/cart" 200 $bytes ${ms}ms',
            '$ip "POST /api/orders" 201 $bytes ${ms}ms',
            '$ip "GET /api/items/$id" 404 $bytes ${ms}ms',
            '$ip "GET /health" 200 2 0ms',
        ),
        _until_cancelled(
            "09:43:58",
            0.4,
            '$ip "POST /api/orders" 503 $bytes 2001ms',
            '$ip "GET /api/cart" 503 $bytes 2001ms',
            "[error] web did not answer within 2000 ms, request $hex",
        ),
    ),
    Service(
        "web",
        ("http", "shop"),
        160,
        (
            '{"level":30,"msg":"rendered /cart","ms":$ms}',
            '{"level":30,"msg":"rendered /items","ms":$ms}',
            '{"level":20,"msg":"cache hit","key":"item-$id"}',
        ),
        _until_cancelled(
            "09:43:31", 0.3, '{"level":50,"msg":"checkout failed: cart answered 500","ms":$ms}'
        ),
    ),
    Service(
        "cart",
        ("http", "shop"),
        120,
        (
            'level=info msg="cart read" items=$few ms=$ms',
            'level=info msg="item added" item=$id ms=$ms',
            "level=debug msg=sweep expired=$few errors=0",
        ),
        _until_cancelled(
            "09:42:49",
            0.3,
            'level=error msg="cannot check out" reason="orders answered 500" cart=$hex',
        ),
    ),
    Service(
        "orders",
        ("http", "shop"),
        110,
        (
            "INFO  [http-$few] order $id placed, $few items, $ms ms",
            "INFO  [http-$few] order $id read, $ms ms",
            "DEBUG [pool] $few of 20 connections in use, no error",
        ),
        _until_cancelled(
            "09:41:14",
            0.6,
            "ERROR [http-$few] order $id: no connection to orders-db within 2000 ms",
        ),
    ),
    Service(
        "payments",
        ("shop",),
        60,
        (
            '{"level":"info","msg":"charged","order":$id,"cents":$bytes}',
            '{"level":"warn","msg":"card declined","order":$id}',
            '{"level":"info","msg":"charged","order":$id,"cents":503}',
        ),
        _until_cancelled(
            "09:42:05",
            0.5,
            '{"level":"error","msg":"order $id is unknown to orders-db: not charged"}',
        ),
    ),
    Service(
        "inventory",
        ("shop",),
        60,
        ("[info] reserved $few of item $id", "[info] released $few of item $id"),
        _until_cancelled(
            "09:41:32", 0.5, "[error] cannot reserve item $id: orders-db refused the connection"
        ),
    ),
    Service(
        "orders-db",
        ("db",),
        90,
        (
            "LOG:  duration: $ms ms  statement: SELECT * FROM orders WHERE id = $id",
            "LOG:  duration: $ms ms  statement: UPDATE stock SET free = $few WHERE item = $id",
            "LOG:  checkpoint complete: wrote $bytes buffers",
        ),
        _until_cancelled(
            "09:41:12", 0.7, "FATAL:  too many clients: all 100 connections are in use"
        ),
    ),
    Service(
        "search",
        ("shop",),
        70,
        ("[info] $few hits in $ms ms", "[info] shard $few merged, $bytes documents"),
        Failure(
            seconds_at("10:02:47"),
            seconds_at("11:00:00"),
            0.05,
            ("[error] shard 3 is read-only: its disk is 97% full",),
            is_steady=True,
        ),
    ),
    Service(
        "sessions",
        ("http",),
        80,
        ("DEBUG session $hex renewed", "INFO session $hex opened from $ip"),
    ),
    Service(
        "mailer",
        ("worker",),
        20,
        ("INFO mail $id sent in $ms ms", "WARN mail $id delayed: 450 mailbox is busy"),
    ),
    Service("reports", ("worker",), 6, ("INFO report $id written, $bytes rows",)),
    Service("backup", (), 24, ("segment $id of orders-db copied, $bytes kB",)),
)
