"""Commands of theiafs, each in a process of its own, forked from one that has imported all that they need.

To start Python, and to import the program, takes longer than most commands, and than most tests of a mount.
"""

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from theiafs import cli

__all__ = ["CommandServer", "command_server"]

_REQUEST_SIZE_MAX = 1 << 17
_STATUS_SIZE_MAX = 16
_TIMEOUT_S = 60
"""A command that takes longer is killed."""


class CommandServer:
    """A process that runs the commands that it is sent, one at a time. It ends with the process that made it.

    Args:
        environment: of the server; each command has its own.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._connection, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(its.fileno())],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[its.fileno()],
            )

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path | None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line with *arguments* in *environment* and in the working *directory*.

        Like :func:`subprocess.run`, return when the command has ended, and no process has its output open any more.
        """
        request = {
            "arguments": arguments,
            "environment": dict(environment),
            "directory": str(directory or Path.cwd()),
        }
        pipes = [os.pipe(), os.pipe()]
        writers = [writer for _, writer in pipes]
        socket.send_fds(self._connection, [json.dumps(request).encode()], writers)
        for writer in writers:
            os.close(writer)
        # One after the other: commands print too little to fill a pipe.
        output, errors = (_read_all(reader) for reader, _ in pipes)
        status = int(self._connection.recv(_STATUS_SIZE_MAX))
        return subprocess.CompletedProcess(list(arguments), status, output, errors)

    def close(self) -> None:
        """End the process, and wait for it."""
        self._connection.close()
        self._process.wait()


@functools.cache
def command_server() -> CommandServer:
    """Return the server of commands of this process, started when it is first needed; it ends at exit."""
    server = CommandServer({**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    atexit.register(server.close)
    return server


def _read_all(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8") as file:
        return file.read()


def _serve(connection: socket.socket) -> int:
    """Fork for each request from *connection*; return, in the child, the exit status of its command, and at the end 0."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, _REQUEST_SIZE_MAX, 2)
        if not request:
            return 0
        child = os.fork()
        if not child:
            break
        for each in descriptors:
            os.close(each)
        _, status = os.waitpid(child, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    connection.close()
    for target, each in enumerate(descriptors, 1):
        os.dup2(each, target)
        os.close(each)
    command = json.loads(request)
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["directory"])
    signal.alarm(_TIMEOUT_S)  # not for processes that it leaves in the background
    return cli.main(command["arguments"])


if __name__ == "__main__":
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
