"""The names of what a store keeps beside its minute files."""

import os

__all__ = ["HIDDEN_DIRECTORY", "index_path", "journal_path", "lock_path"]

HIDDEN_DIRECTORY = ".theiafs"
"""What a store keeps beside the minute files: its lock, the declared tags, the journal, the quarantine, the index."""


def lock_path(root_dir: str) -> str:
    """The path of the file that stands for the right to write a store."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "lock")


def journal_path(root_dir: str) -> str:
    """The path of the directory of the journal of a store."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "journal")


def index_path(root_dir: str) -> str:
    """The path of the index of a store."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "index.sqlite")
