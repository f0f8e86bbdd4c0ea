"""The soak: a mount that many programs use for a long time, while its clock is moved.

Run by ``scripts/soak``; the test suite runs some seconds of it too. 32 writers append, each in one of four ways; readers run grep,
tail, find and the summaries, and two of them follow a file from the first event to the last; old minutes are removed, through the
mount and from its store, and others are changed in place in the store; and the clock of the mount crosses the ends of minutes, days,
and years, both changes of summer time, and goes back. At the end each event that was acknowledged is there once, or was removed
once; no command has failed; and the process of the mount has not grown.
"""
