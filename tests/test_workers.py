"""Workers: what they answer, in which order, and how they end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import WorkerEnded, Workers
from tests.waiting import eventually

LARGE = 4 << 20
"""More bytes than a pipe holds, so that sending them waits until they are taken."""


def children(process_id: int) -> list[int]:
    """The processes that *process_id* has started."""
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return list(map(int, text.split()))


def doubled(data: bytes) -> bytes:
    return data + data


def failing(number: int) -> int:
    if number == 3:
        raise ValueError("a bug")
    return number


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 11])
@pytest.mark.parametrize("size", [1, LARGE])
def test_answers_come_in_order(count: int, length: int, size: int) -> None:
    """However many there are, and however large they and the pieces are."""
    pieces = [bytes([number]) * (size if number % 3 else 1) for number in range(length)]
    with Workers(doubled, count, "doubles") as workers:
        for _ in range(2):
            assert list(workers.map(pieces)) == list(map(doubled, pieces))


def test_the_next_pieces_are_worked_on_meanwhile() -> None:
    """Each worker has one, and no more are taken."""
    taken: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    with Workers(failing, 2, "fails") as workers:
        answers = workers.map(pieces())
        assert next(answers) == 0
        assert taken == [0, 1, 2]
        assert next(answers) == 1
        assert taken == [0, 1, 2, 3]


def test_an_error_is_raised_here() -> None:
    """As what it is, when its turn comes."""
    answers: list[int] = []
    with Workers(failing, 2, "fails") as workers, pytest.raises(ValueError, match="a bug"):
        answers.extend(workers.map(range(10)))
    assert answers == [0, 1, 2]


def test_one_that_was_ended_is_no_end() -> None:
    """When nothing was asked, and within an answer."""
    with Workers(doubled, 2, "doubles") as workers:
        first = workers._processes[0].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(WorkerEnded, match=f"process {first}, which doubles, was ended"):
            list(workers.map([b"x"] * 4))
    with Workers(doubled, 2, "doubles") as workers:
        first = workers._processes[0].pid
        assert first is not None
        workers._send(0, bytes(LARGE))
        assert workers._connections[0].poll(60)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(WorkerEnded, match=f"process {first}, which doubles, was ended"):
            workers._receive(0)


def test_they_do_not_go_on_after_an_error() -> None:
    """As when it is interrupted: what they work on is wanted no more."""
    workers = Workers(signal.sigwait, 2, "waits")
    started = [each.pid for each in workers._processes]
    with contextlib.suppress(KeyboardInterrupt), workers:
        for turn in range(2):
            workers._send(turn, [signal.SIGUSR1])
        raise KeyboardInterrupt
    for each in started:
        assert not Path(f"/proc/{each}").exists()


def test_another_thread_may_ask() -> None:
    """Signals are the main thread's."""
    answers: list[int] = []
    workers: Workers[int, int] = Workers(abs, 2, "counts")
    with workers:
        thread = threading.Thread(target=lambda: answers.extend(workers.map([-1, -2, -3])))
        thread.start()
        thread.join()
    assert answers == [1, 2, 3]


def test_they_end_with_the_process_that_started_them() -> None:
    """Also if that is killed."""
    script = "from store import Workers\nWorkers(abs, 3, 'counts')\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = children(process.pid)
        assert len(started) == 3
        process.kill()
    for each in started:
        eventually(lambda: not Path(f"/proc/{each}").exists())  # noqa: B023 - called at once
