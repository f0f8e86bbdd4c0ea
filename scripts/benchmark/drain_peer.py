"""drain3 in a process of its own, without what it prints; prints the seconds it took and the number of lines in its templates.

Run as ``python -m benchmark.drain_peer FILE``.
"""

import logging
import sys
import time
from pathlib import Path

from drain3 import TemplateMiner


def _main(path: Path) -> None:
    logging.disable()
    with path.open(encoding="utf-8") as file:
        lines = file.read().splitlines()
    started = time.perf_counter()
    miner = TemplateMiner()
    for line in lines:
        miner.add_log_message(line)
    seconds = time.perf_counter() - started
    print(seconds, sum(cluster.size for cluster in miner.drain.clusters))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
