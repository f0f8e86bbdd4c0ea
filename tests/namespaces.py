"""Mount namespaces of tests: those of this machine's mounts in them are copies, which keep the mounts of other tests alive."""

__all__ = ["WITHOUT_COPIES"]

WITHOUT_COPIES = """
grep fuse.theiafs /proc/self/mounts | while read -r _ path _; do umount -l "$path"; done
"""
"""Begins a script in a mount namespace of its own: tests that run at the same time could not unmount theirs otherwise."""
