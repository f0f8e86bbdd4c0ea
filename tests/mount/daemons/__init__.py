"""Daemons and other programs that users run, set up as the recipes say, on real mounts; nothing here depends on the binding."""
