"""The man pages: theiafs(1) and mount.theiafs(8)."""

import argparse

from manual.roff import bold, escaped, items, paragraph, section, subsection, title, verbatim
from theiafs import mount_helper
from theiafs.cli import make_parser

__all__ = ["pages"]

_ABOUT = """\
theiafs keeps log events in plain-text files, one for each minute, and mounts them as a directory in which any program that reads
files can query: by tag, source, level, time or regular expression, in any combination. A line that is appended to the file
ingest there is stored as an event before the write returns. The file README at the top of each mount explains the tree.
"""

_ENVIRONMENT = """\
  THEIAFS_BINDING    fusepy or mfusepy, as the option binding
  FUSE_LIBRARY_PATH  a libfuse in an unusual place
  NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID
                     set by systemd; read by mount -f: see sd_notify(3)
"""

_FILES = """\
  STORE/START-END    the events of a minute
  STORE/.theiafs     the write-ahead log, the index, and what else is not in the minute files
  /etc/theiafs/NAME.conf
                     STORE=, MOUNTPOINT= and OPTIONS= of the service theiafs@NAME
  /var/log/theiafs.log, ~/.local/state/theiafs.log
                     logs of mounts in the background, of root and of other users
"""

_STATUS = """\
0 if all is well, 1 if something failed, 2 if the command line is wrong or the output cannot be written, 130 if interrupted.
"""

_EXAMPLES = """\
theiafs mount /srv/events /mnt/events
echo "disk is full" >> /mnt/events/ingest
grep -r disk /mnt/events/minutes
tail -f /mnt/events/by-level/err+/events.log
cat /mnt/events/range/last-15m/by-tag/web/count
theiafs umount /mnt/events
"""

_HELPER_ABOUT = """\
mount.theiafs mounts a store of theiafs, and returns when the mount answers. mount(8) runs it for the type theiafs, on the command
line and for lines of /etc/fstab. umount(8) unmounts.
"""

_HELPER_EXAMPLES = """\
mkdir -p /mnt/events
mount -t theiafs /srv/events /mnt/events -o allow_other
echo '/srv/events /mnt/events theiafs defaults,nofail 0 0' >> /etc/fstab
"""


def pages() -> dict[str, str]:
    """Return the text of each page, by its path."""
    return {"man/theiafs.1": _theiafs(), "man/mount.theiafs.8": _helper()}


def _theiafs() -> str:
    parser, commands = make_parser()
    usages = [_usage(each) for each in (*commands.values(), parser)]
    return "".join(
        (
            title("theiafs", 1),
            section("NAME"),
            "theiafs \\- your logs as files\n",
            section("SYNOPSIS"),
            ".br\n".join(f"{bold(name)} {escaped(rest)}\n" for name, rest in usages),
            section("DESCRIPTION"),
            paragraph(_ABOUT),
            section("COMMANDS"),
            *(_command(name, each) for name, each in commands.items()),
            section("ENVIRONMENT"),
            items(_ENVIRONMENT),
            section("FILES"),
            items(_FILES),
            section("EXIT STATUS"),
            paragraph(_STATUS),
            section("EXAMPLES"),
            verbatim(_EXAMPLES),
            section("SEE ALSO"),
            ".BR mount.theiafs (8),\n.BR mount.fuse3 (8),\n.BR systemd.service (5)\n",
        )
    )


def _helper() -> str:
    _, commands = make_parser()
    return "".join(
        (
            title("mount.theiafs", 8),
            section("NAME"),
            "mount.theiafs \\- mount a store of theiafs, for mount(8)\n",
            section("SYNOPSIS"),
            f"{bold('mount.theiafs')} STORE MOUNTPOINT [\\-sfnv] [\\-o OPT,OPT]\n",
            section("DESCRIPTION"),
            paragraph(_HELPER_ABOUT),
            section("OPTIONS"),
            *_arguments(mount_helper.make_parser()),
            items(commands["mount"].epilog or ""),
            section("EXAMPLES"),
            verbatim(_HELPER_EXAMPLES),
            section("SEE ALSO"),
            ".BR theiafs (1),\n.BR mount (8),\n.BR fstab (5)\n",
        )
    )


def _usage(parser: argparse.ArgumentParser) -> tuple[str, str]:
    """Return the name of the command of *parser*, and a line of how to use it."""
    words = parser.format_usage().removeprefix("usage: ").split()
    return parser.prog, " ".join(words[len(parser.prog.split()) :]).removeprefix("[-h] ")


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    """Return the part of the page for the command *name* of *parser*."""
    about = items(parser.description or "")
    return "".join((subsection(name), about, *_arguments(parser), items(parser.epilog or "")))


def _arguments(parser: argparse.ArgumentParser) -> list[str]:
    """Return what *parser* takes, an item each."""
    return [
        _item(each)
        for each in parser._actions  # noqa: SLF001 - argparse has no other name for them
        if each.help and each.dest != "help"
    ]


def _item(action: argparse.Action) -> str:
    """Return *action* as an item of a list: what to type, and what it does."""
    value = str(action.metavar or action.dest.upper())
    if action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    term = ", ".join(map(bold, action.option_strings)) or bold(value)
    if action.option_strings and action.nargs != 0:
        term += f" {escaped(value)}"
    return f".TP\n{term}\n{escaped(' '.join((action.help or '').replace('%%', '%').split()))}\n"
