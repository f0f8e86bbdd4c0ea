"""Stopping a process, so that it is there and answers nothing."""

import os
import signal
from pathlib import Path

from tests.waiting import eventually

__all__ = ["stop_process"]


def stop_process(process_id: int) -> None:
    """Stop the process *process_id*, and return when each of its threads has stopped.

    kill(2) returns before: until a thread has taken the signal up, the others go on, and may answer a request.
    """
    os.kill(process_id, signal.SIGSTOP)
    eventually(lambda: _states(process_id) == {"T"})


def _states(process_id: int) -> set[str]:
    """Return the states of the threads of a process, a letter each, as proc(5) has them."""
    tasks = Path(f"/proc/{process_id}/task").glob("*/stat")
    try:
        # The name before it may hold blanks and brackets.
        return {task.read_text().rpartition(")")[2].split()[0] for task in tasks}
    except (FileNotFoundError, ProcessLookupError):  # a thread has ended meanwhile
        return set()
