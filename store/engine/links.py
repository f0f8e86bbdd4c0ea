"""Links that lead out of a store: a user with the right to write to its directory can make them."""

from store.disk.disk import Disk
from store.filenames import hidden_paths

__all__ = ["check_links"]


def check_links(disk: Disk, root_dir: str) -> None:
    """Check that the store in *root_dir* has everything but its minute files in its hidden directory, and not elsewhere.

    Minute files that are links are no minutes, and everything is created and replaced without following a link.

    Raises:
        EventWriteException: if a symbolic link leads out of it.
    """
    for path in hidden_paths(root_dir):
        disk.check_no_link(path)
