"""What ``python -m theiafs`` runs."""

import sys

from theiafs.cli import main

if __name__ == "__main__":
    sys.exit(main())
