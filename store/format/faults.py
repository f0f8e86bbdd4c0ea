"""Faults of the fields of a header: each has one line, and commas separate tags."""

__all__ = ["line_fault", "tag_fault"]


def line_fault(text: str) -> str:
    """Return what is wrong with *text* as an id or a source; empty if nothing is."""
    return "has a newline in it" if "\n" in text else ""


def tag_fault(tag: str) -> str:
    """Return what is wrong with *tag*; empty if nothing is."""
    if not tag:
        return "is empty"
    return "has a comma in it" if "," in tag else line_fault(tag)
