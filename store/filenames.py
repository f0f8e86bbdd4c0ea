"""The names of the files and directories that a store has besides its minute files."""

import os

__all__ = [
    "HIDDEN_DIRECTORY",
    "backup_path",
    "declared_sources_path",
    "declared_tags_path",
    "hidden_path",
    "hidden_paths",
    "index_path",
    "journal_path",
    "lock_path",
    "old_declared_tags_path",
    "quarantine_path",
    "state_path",
    "states_path",
    "views_path",
]

HIDDEN_DIRECTORY = ".theiafs"
"""The directory of all of them: the lock, the declared tags and sources, the saved views, the write-ahead log, the quarantine, the index."""


def lock_path(root_dir: str) -> str:
    """Return the path of the file that says which process has locked the store in *root_dir*."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "lock")


def journal_path(root_dir: str) -> str:
    """Return the path of the directory of the write-ahead log of the store in *root_dir*."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "journal")


def index_path(root_dir: str) -> str:
    """Return the path of the index of the store in *root_dir*."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "index.sqlite")


def hidden_path(root_dir: str) -> str:
    """Return the path of the hidden directory in *root_dir*: for everything but minute files."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY)


def declared_tags_path(root_dir: str) -> str:
    """Return the path of the directory that has a directory for each declared tag."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "declared")


def declared_sources_path(root_dir: str) -> str:
    """Return the path of the directory that has a directory for each declared source."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "declared-sources")


def old_declared_tags_path(root_dir: str) -> str:
    """Return the path of the file in which releases up to 0.1 kept the declared tags, a line each."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "tags")


def views_path(root_dir: str) -> str:
    """Return the path of the directory that has a symbolic link for each saved view."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "views")


def quarantine_path(root_dir: str) -> str:
    """Return the path of the directory of bytes that cannot be served and must not be lost."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "quarantine")


def backup_path(root_dir: str) -> str:
    """Return the path of the symbolic link in a backup that leads to the store that it is of."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "backup-of")


def states_path(root_dir: str) -> str:
    """Return the path of the directory of the states of users of the store in *root_dir*."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "state")


def state_path(root_dir: str, name: str) -> str:
    """Return the path of the file in which the state *name* of a user of the store in *root_dir* is kept."""
    return os.path.join(states_path(root_dir), name)


def hidden_paths(root_dir: str) -> list[str]:
    """Return the paths of the hidden directory in *root_dir*, and of what is in it, by which all others are reached."""
    index = index_path(root_dir)
    return [
        hidden_path(root_dir),
        journal_path(root_dir),
        declared_tags_path(root_dir),
        declared_sources_path(root_dir),
        views_path(root_dir),
        states_path(root_dir),
        quarantine_path(root_dir),
        *(f"{index}{ending}" for ending in ("", "-journal", "-wal", "-shm", "-complete")),
    ]
