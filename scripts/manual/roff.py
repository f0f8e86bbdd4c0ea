"""The markup of man pages, man(7)."""

import re

__all__ = ["bold", "escaped", "items", "paragraph", "section", "subsection", "title", "verbatim"]


def title(name: str, number: int) -> str:
    """Return the first line of the page *name* in section *number* of the manual."""
    return f'.TH {name.upper()} {number} "" theiafs\n'


def section(heading: str) -> str:
    """Return the line that begins the section *heading*."""
    return f".SH {heading}\n"


def subsection(heading: str) -> str:
    """Return the line that begins the subsection *heading*."""
    return f'.SS "{escaped(heading)}"\n'


def paragraph(text: str) -> str:
    """Return *text*, in the ordinary form of help, as a paragraph that is filled."""
    return f".PP\n{escaped(' '.join(text.split()))}\n"


def verbatim(text: str) -> str:
    """Return *text* line by line, as it stands."""
    return f".PP\n.nf\n{escaped(text)}.fi\n"


def bold(text: str) -> str:
    """Return *text* in bold letters, as part of a line."""
    return rf"\fB{escaped(text)}\fR"


def items(text: str) -> str:
    """Return *text*, which has paragraphs and indented tables of two columns, as paragraphs and lists of terms."""
    written = []
    for block in re.split(r"\n(?=  \S)|\n\n|(?<=:)\n", text.strip("\n")):
        if block.startswith("  "):
            term, _, meaning = re.sub(r"(?<=\S)  +|: see ", "\n", block[2:], count=1).partition(
                "\n"
            )
            if ": see " in block:
                meaning = f"see {meaning}"
            written.append(f".TP\n{bold(term)}\n{escaped(' '.join(meaning.split()))}\n")
        elif block.strip():
            written.append(paragraph(block))
    return "".join(written)


def escaped(text: str) -> str:
    """Return *text* with what would be markup escaped: as programs read it, with hyphens that can be copied."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)
