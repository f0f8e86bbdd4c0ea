"""Your logs as files: a FUSE filesystem over an event store."""

import os

__all__ = ["__version__"]

# Before numpy is imported: its BLAS, which nothing here uses, would start a thread for each core, which spins for a while.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
