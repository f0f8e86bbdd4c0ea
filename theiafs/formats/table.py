"""The table of all formats of lines, by their names."""

from theiafs.formats.combined import Combined
from theiafs.formats.dated import Dated
from theiafs.formats.fields import Format
from theiafs.formats.journal import Journal
from theiafs.formats.jsonl import Jsonl
from theiafs.formats.logfmt import Logfmt
from theiafs.formats.plain import Plain
from theiafs.formats.syslog import Syslog

__all__ = ["FORMATS"]

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (Jsonl(), Syslog(), Logfmt(), Combined(), Journal(), Dated(), Plain())
}
"""The formats, by their names."""
