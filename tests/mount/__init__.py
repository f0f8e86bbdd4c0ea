"""Tests on real mounts. They fail, rather than skip, where FUSE does not work."""
