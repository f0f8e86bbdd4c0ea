"""Signposts: hidden links in the listing of a query directory to what else resolves in it.

``ls -A`` and Tab show them. Programs that walk a tree do not follow links, so that every event still counts once; for those
that are told to follow them, the walk ends: a directory that lists something is signposted only below one filter.
"""

from store import FromSource, HasTag, Not, Query, Untagged
from theiafs.addition import Addition
from theiafs.paths import FILTERS_MAX, LEAVES, Location, Negated, NodeKind

__all__ = ["signposted", "signposts"]

_LIST_NOTHING = (NodeKind.RANGE, NodeKind.NOT)
_LIST_SOMETHING = (NodeKind.BY_TAG, NodeKind.BY_SOURCE, NodeKind.BY_DATE, NodeKind.UNTAGGED)


def signposts(location: Location, query: Query, is_writable: bool) -> list[str]:
    """Return the names of the signposts in a directory, each a dot and the name that it leads to.

    Args:
        location: the root, or a query directory.
        query: its query.
        is_writable: whether events can be saved at all.
    """
    filters = location.filters
    if any(isinstance(each, Not | Negated) for each in filters):
        return []
    targets = [name for name in LEAVES if name != NodeKind.INGEST]
    # The root lists it.
    if is_writable and filters and Addition.of(query) is not None:
        targets.append(NodeKind.INGEST)
    if len(filters) < FILTERS_MAX:
        targets += _LIST_NOTHING
        targets += [kind for kind in _LIST_SOMETHING if _offers(location, kind)]
    return [f".{target}" for target in targets]


def signposted(name: str) -> str:
    """Return the target of the signpost *name*."""
    return name.removeprefix(".")


def _offers(location: Location, kind: NodeKind) -> bool:
    """Return whether the filter *kind*, which lists something, is signposted: not one that is applied already."""
    if not location.filters:
        return kind is NodeKind.UNTAGGED  # the root lists the others
    [*others, applied] = location.filters
    if others:
        return False
    match kind:
        case NodeKind.BY_TAG:
            return not isinstance(applied, Untagged)
        case NodeKind.BY_SOURCE:
            return not isinstance(applied, FromSource)
        case NodeKind.UNTAGGED:
            return not isinstance(applied, HasTag | Untagged)
    return True
