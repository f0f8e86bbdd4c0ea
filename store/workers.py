"""Workers: processes that do one kind of work, on all cores, where threads would wait for the lock of the interpreter."""

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Generic, Self, TypeVar

from store.errors import WorkerEnded

__all__ = ["Workers", "cores"]

_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")


_CORES_MAX = 8
"""More processes than this wait for the one that takes what they find, and need memory."""


def cores() -> int:
    """Return how many processes work at the same time on the cores that this one may use."""
    return min(len(os.sched_getaffinity(0)), _CORES_MAX)


class Workers(Generic[_Piece, _Result]):
    """Processes that work on pieces. They end with the context, or with this process, however that ends.

    They are copies of this one: start them before it has threads and locks.

    Args:
        work: what a worker does with a piece; what it raises is raised here.
        count: how many there are.
        what: what they do, for messages: "reads the lines".

    Raises:
        WorkerEnded: if they cannot be started.
    """

    def __init__(self, work: Callable[[_Piece], _Result], count: int, what: str) -> None:
        self._what = what
        self._connections: list[Connection] = []
        self._processes: list[multiprocessing.context.ForkProcess] = []
        context = multiprocessing.get_context("fork")
        try:
            for _ in range(count):
                connection, other = context.Pipe()
                self._connections.append(connection)
                with other:
                    process = context.Process(
                        target=_serve, args=(work, other, [*self._connections]), daemon=True
                    )
                    process.start()
                self._processes.append(process)
        except OSError as error:
            self.close()
            raise WorkerEnded(
                f"cannot start a process that {what}: {error.strerror}; raise the limit, or end others"
            ) from error

    def map(self, pieces: Iterable[_Piece]) -> Iterator[_Result]:
        """Yield what the work makes of each of *pieces*, in their order, while the next ones are worked on.

        Iterating over *pieces* raises nothing, and this iterator is used to its end before there is another.

        Raises:
            WorkerEnded: if a worker has ended.
        """
        turns: deque[int] = deque()
        for number, piece in enumerate(pieces):
            turn = number % len(self._connections)
            # One at a time: neither side waits for the other to take what it sends.
            is_full = len(turns) == len(self._connections)
            results = [self._receive(turns.popleft())] if is_full else []
            self._send(turn, piece)
            turns.append(turn)
            yield from results
        while turns:
            yield self._receive(turns.popleft())

    def _send(self, turn: int, piece: _Piece) -> None:
        with _without_sigpipe(), self._checking(turn):
            self._connections[turn].send(piece)

    def _receive(self, turn: int) -> _Result:
        with self._checking(turn):
            result: _Result | Exception = self._connections[turn].recv()
        if isinstance(result, Exception):
            raise result
        return result

    @contextlib.contextmanager
    def _checking(self, turn: int) -> Iterator[None]:
        """Raise WorkerEnded if the worker whose *turn* it is turns out to have ended."""
        try:
            yield
        except (EOFError, OSError) as error:
            # OSError: it ended within an answer.
            raise WorkerEnded(
                f"process {self._processes[turn].pid}, which {self._what}, was ended, perhaps for want of memory: try again"
            ) from error

    def close(self) -> None:
        """Let them end, and wait for that."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_exc_info: object) -> None:
        if kind is not None:  # what they work on is not wanted any more
            for process in self._processes:
                process.terminate()
        self.close()


@contextlib.contextmanager
def _without_sigpipe() -> Iterator[None]:
    """Keep the signal of a pipe that nothing reads any more from this thread: it would end the process without a word."""
    signals = {signal.SIGPIPE}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        if signal.SIGPIPE not in before:
            signal.sigtimedwait(signals, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(
    work: Callable[[_Piece], _Result], connection: Connection, others: list[Connection]
) -> None:
    """Work on what comes from *connection*, until its other end is closed.

    Args:
        work: what is done.
        connection: to the process that started this one.
        others: the ends that are that process's: as long as they are open here, no worker would notice that it has ended.
    """
    # Ctrl-C reaches all processes of a terminal. This one ends with the other.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for each in others:
        each.close()
    with contextlib.suppress(EOFError, OSError):  # OSError: it was closed within a request
        while True:
            piece = connection.recv()
            try:
                result: _Result | Exception = work(piece)
            except Exception as error:  # noqa: BLE001 - raised in the other process
                result = error
            connection.send(result)
