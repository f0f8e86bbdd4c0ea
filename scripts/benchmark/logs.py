"""Logs as other programs write them, made up; the same in every run."""

import json
import random
import time
from collections.abc import Callable, Iterator

__all__ = ["LOGS"]

_SEED = 20251122
_START_S = 1763769600  # a midnight, UTC
_HOSTS = ("web-1", "web-2", "web-3", "db-1")
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
    "curl/8.5.0",
)
_REFERERS = ("-", "https://shop.example.org/", "https://www.example.com/search?q=shoes")
_STATUSES = (200, 200, 200, 200, 200, 304, 404, 500)
_PATHS = ("/", "/items/%d", "/cart?item=%d", "/static/app.%d.js", "/api/v1/orders/%d")
_MESSAGES = (
    "sshd[%d]: Accepted publickey for deploy from 10.0.%d.17 port 50522 ssh2: RSA SHA256:Zm9vYmFyYmF6",
    "sshd[%d]: pam_unix(sshd:session): session opened for user deploy(uid=%d) by (uid=0)",
    "CRON[%d]: (root) CMD (cd / && run-parts --report /etc/cron.hourly %d)",
    "systemd[%d]: Started Session %d of user deploy.",
    "kernel: [%d.271828] eth0: renamed from veth%d",
    "dhclient[%d]: DHCPREQUEST for 10.0.%d.5 on eth0 to 10.0.0.1 port 67",
)


def _pino(chance: random.Random) -> Iterator[str]:
    """Yield two lines for each request, as Fastify does with pino, its logger; seven requests a second."""
    for number in range(1, 1 << 40):
        milliseconds = _START_S * 1000 + number * 143 + chance.randrange(100)
        each = {"level": 30, "time": milliseconds, "pid": 4821, "hostname": chance.choice(_HOSTS)}
        each["reqId"] = f"req-{number:x}"
        request = {
            "method": "GET",
            "url": f"/items/{chance.randrange(5000)}",
            "host": "shop.example.org",
            "remoteAddress": f"10.0.{chance.randrange(9)}.{chance.randrange(250)}",
            "remotePort": chance.randrange(30_000, 60_000),
        }
        response = {"statusCode": chance.choice(_STATUSES)}
        yield _compact({**each, "req": request, "msg": "incoming request"})
        each["time"] = milliseconds + 40
        took = {"responseTime": 40 * chance.random()}
        yield _compact({**each, "res": response, **took, "msg": "request completed"})


def _compact(members: dict[str, object]) -> str:
    return json.dumps(members, separators=(",", ":"))


def _access(chance: random.Random) -> Iterator[str]:
    """Yield lines of the format combined, as nginx and Apache write them; 14 a second."""
    for number in range(1 << 40):
        at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(_START_S + number // 14))
        path = chance.choice(_PATHS)
        if "%" in path:
            path %= chance.randrange(5000)
        yield (
            f"10.{chance.randrange(9)}.{chance.randrange(250)}.{chance.randrange(250)} - - [{at}]"
            f' "GET {path} HTTP/1.1" {chance.choice(_STATUSES)} {chance.randrange(50_000)}'
            f' "{chance.choice(_REFERERS)}" "{chance.choice(_AGENTS)}"'
        )


def _syslog(chance: random.Random) -> Iterator[str]:
    """Yield lines as rsyslog writes them into files by its traditional template; 25 a second."""
    for number in range(1 << 40):
        at = time.strftime("%b %e %H:%M:%S", time.gmtime(_START_S + number // 25))
        message = chance.choice(_MESSAGES) % (chance.randrange(300, 30_000), chance.randrange(250))
        yield f"{at} {chance.choice(_HOSTS)} {message}"


def _seeded(lines: Callable[[random.Random], Iterator[str]]) -> Callable[[], Iterator[str]]:
    return lambda: lines(random.Random(_SEED))


LOGS: dict[str, Callable[[], Iterator[str]]] = {
    "app.jsonl": _seeded(_pino),
    "access.log": _seeded(_access),
    "syslog": _seeded(_syslog),
}
"""By the name of a file, its lines, without end."""
