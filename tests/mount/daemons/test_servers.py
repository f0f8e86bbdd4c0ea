"""nginx and supervisord, which run as root and write for others."""

import http.client
import signal
import sys
import threading
from pathlib import Path

from tests.daemons import free_port, is_listening, running
from tests.mount.conftest import Mount
from tests.mount.daemons.arrivals import arrived
from tests.mount.daemons.recipes import recipe
from tests.waiting import eventually

NGINX = """\
daemon off; user www-data; worker_processes 2; pid {directory}/nginx.pid;
events {{}}
http {{
    client_body_temp_path {directory}/t; proxy_temp_path {directory}/t; fastcgi_temp_path {directory}/t;
    uwsgi_temp_path {directory}/t; scgi_temp_path {directory}/t;
    {recipe}
    server {{
        listen 127.0.0.1:{port}; root {directory}/www;
        location /found {{ return 200; }}
    }}
}}
"""
CLIENTS = 4
REQUESTS = 200
"""Those of each client."""
FAILURES = 20
"""How many of them are for a file that is not there, which nginx logs as an error as well."""


def ask(port: int, client: int) -> None:
    """Make the requests of a *client*, by one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(REQUESTS):
        name = "missing" if number < FAILURES else "found"
        connection.request("GET", f"/{name}/{client}-{number}")
        connection.getresponse().read()
    connection.close()


def test_nginx_that_reopens_its_logs_loses_no_request(shared: Mount, tmp_path: Path) -> None:
    """While it answers; its workers, which are no administrators, can open the files."""
    port = free_port()
    config = tmp_path / "nginx.conf"
    text = recipe("nginx", "nginx", shared)
    config.write_text(NGINX.format(directory=tmp_path, port=port, recipe=text))
    clients = [threading.Thread(target=ask, args=(port, number)) for number in range(CLIENTS)]
    with running("nginx", "-c", str(config), "-e", str(tmp_path / "error.log")) as nginx:
        eventually(lambda: is_listening(port))
        for client in clients:
            client.start()
        reopened = 0
        while any(client.is_alive() for client in clients):
            nginx.send_signal(signal.SIGUSR1)
            reopened += 1
            clients[0].join(0.05)
        for client in clients:
            client.join()
        assert reopened > 1
        asked = [
            b"%d-%d" % (client, number) for client in range(CLIENTS) for number in range(REQUESTS)
        ]
        in_access = "by-tag/web/match/%2F(found|missing)%2F/not/by-level/err"
        eventually(lambda: shared.events(f"{in_access}/count") == b"%d\n" % len(asked))
    requests = [line.split()[6] for line in shared.contents(f"{in_access}/events")]
    assert sorted(path.rpartition(b"/")[2] for path in requests) == sorted(asked)
    # Nothing but the files that are missing: no log that could not be reopened.
    assert shared.events("by-tag/web/by-level/err+/count") == b"%d\n" % (CLIENTS * FAILURES)
    assert shared.events("by-tag/web/sources").split()[1::2] == [b"nginx"]


SUPERVISORD = """\
[supervisord]
nodaemon=true
user=root
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
"""
PROGRAM = "import os\nfor number in range({lines}): os.write(1, b'{word} %d\\n' % number)"
LINES = 500
ROTATIONS = {
    "never": "maxbytes=0",
    "to-nothing": "maxbytes=500\nstdout_logfile_backups=0",
    "to-backups": "maxbytes=500\nstdout_logfile_backups=3",
}
"""That of the recipe, and two that happen many times a second."""


def test_supervisord_loses_nothing(shared: Mount, tmp_path: Path) -> None:
    """It may rotate."""
    config = tmp_path / "supervisord.conf"
    text = SUPERVISORD.format(directory=tmp_path)
    for word, rotation in ROTATIONS.items():
        program = tmp_path / f"{word}.py"
        program.write_text(PROGRAM.format(lines=LINES, word=word))
        command = f"{sys.executable} {program}"
        changes = {"program:shop": f"program:{word}", "/usr/local/bin/shop": command}
        text += recipe("supervisord", "ini", shared, {**changes, "maxbytes=0": rotation})
        text += "autorestart=false\nstartsecs=0\n"
    config.write_text(text)
    with running("supervisord", "-c", str(config)):
        for word in ROTATIONS:
            eventually(lambda: len(arrived(shared, "by-tag/shop", word)) >= LINES)  # noqa: B023 - called at once
    for word in ROTATIONS:
        lines = [f"{word} {number}".encode() for number in range(LINES)]
        assert arrived(shared, "by-tag/shop/by-source/supervisord", word) == lines
    messages = (tmp_path / "supervisord.log").read_text()
    assert messages.count("(exit status 0; expected)") == len(ROTATIONS)
    assert "Error" not in messages
