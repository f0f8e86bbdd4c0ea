"""The process of a server: ``python -m engines.process DIRECTORY``.

A process of its own, which imports the engine and nothing of ours: a fork of one that has imported it hangs. The engine reads
``config.xml`` in the current directory, and the statement never ends.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_STATEMENTS = """
SYSTEM START LISTEN HTTP;
SYSTEM START LISTEN TCP;
SELECT sleep(3) FROM system.numbers SETTINGS max_block_size = 1, max_threads = 1 FORMAT Null
"""


def main() -> None:
    """Serve the data in the directory that the command line names, until a signal ends the process."""
    # Should its parent be killed, it must not stay.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    directory = sys.argv[1]
    os.chdir(directory)

    from chdb import _chdb  # noqa: PLC0415 - importing it starts threads, and reads the configuration

    _chdb.query(_STATEMENTS, "TSV", path=os.path.join(directory, "data"))


if __name__ == "__main__":
    main()
