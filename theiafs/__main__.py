"""The entry point of ``python -m theiafs``."""

import sys

from theiafs.cli import main

if __name__ == "__main__":
    sys.exit(main())
