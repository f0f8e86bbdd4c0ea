r"""Literals that a regular expression needs: what every text that it matches must contain.

Only those outside of groups, alternatives, classes and repeats; where in doubt, none.
"""

from collections.abc import Iterator

from store.matching.tokens import Token, tokenize

__all__ = ["exact_literals", "is_literal", "required_literals"]

_SIZE_MIN = 3
"""Shorter literals are in most texts."""

_FOLDED_BEYOND_ASCII = frozenset("kKsS")
"""ASCII letters that `(?i)` also finds as a character beyond ASCII: the Kelvin sign and the long s."""


def required_literals(pattern: str) -> list[bytes]:
    """Return runs of three bytes and more that the lower-cased text of each match of *pattern* contains.

    Args:
        pattern: a regular expression that RE2 compiles.

    Returns:
        The runs, with ASCII letters in lower case, in the order of the pattern.
    """
    tokens = list(tokenize(pattern))
    return [run.lower() for run in _runs(tokens, _folds(tokens)) if len(run) >= _SIZE_MIN]


def exact_literals(pattern: str) -> list[bytes]:
    """Return runs of bytes that each match of *pattern* contains as they are, in the order of the pattern."""
    tokens = list(tokenize(pattern))
    return [] if _folds(tokens) else list(_runs(tokens, folds=False))


def is_literal(pattern: str) -> bool:
    """Return whether *pattern* matches just one text."""
    return all(token.kind == "literal" for token in tokenize(pattern))


def _folds(tokens: list[Token]) -> bool:
    """Return whether `(?i)` is anywhere in *tokens*."""
    return any("i" in token.value for token in tokens if token.kind in ("open", "flags"))


def _runs(tokens: list[Token], folds: bool) -> Iterator[bytes]:
    """Yield the runs of literal characters in *tokens*; if it *folds*, only of those with no case beyond ASCII."""
    depth = 0
    run = ""
    found = []
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth > 0 and token.kind != "open":
            continue
        if token.kind == "or":
            return
        if token.kind == "literal":
            for character in token.value:
                run += character
                if folds and (not character.isascii() or character in _FOLDED_BEYOND_ASCII):
                    found.append(run[:-1])
                    run = ""
        elif token.kind != "flags":
            found.append(run[:-1] if token.kind == "repeat" else run)
            run = ""
    found.append(run)
    yield from (each.encode() for each in found if each)
