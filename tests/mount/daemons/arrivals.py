"""Events that have arrived in a mount, told from those of other tests by a word in them."""

from tests.mount.conftest import Mount

__all__ = ["arrived"]


def arrived(mount: Mount, path: str, word: str) -> list[bytes]:
    """Return the contents with a *word* of the events below *path* in a *mount*."""
    return [each for each in mount.contents(f"{path}/events") if word.encode() in each]
