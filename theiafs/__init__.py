"""Your logs as files: a FUSE filesystem over an event store."""

__all__ = ["__version__"]

__version__ = "0.1.0"
