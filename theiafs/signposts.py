"""Signposts: hidden links in the listing of a query directory to what else resolves in it.

``ls -A`` and Tab show them. Programs that walk a tree do not follow links, so that every event still counts once; for those
that are told to follow them, the walk ends: a filter that lists something is signposted only below one filter. With *f* tags,
sources and days (``untagged`` is one more), such a walk reaches at most *f*² directories that list minutes.
"""

from store import AtLevel, During, FromSource, HasTag, Not, Query, Untagged
from theiafs.addition import Addition
from theiafs.paths import DOORS, FILTERS_MAX, LEAVES, Filter, Location, Negated, NodeKind
from theiafs.timerange import TICKS_PER_DAY

__all__ = ["signposted", "signposts"]

_LIST_NOTHING = (NodeKind.RANGE, NodeKind.MATCH, NodeKind.NOT)
_LIST_SOMETHING = (
    NodeKind.BY_TAG,
    NodeKind.BY_SOURCE,
    NodeKind.BY_LEVEL,
    NodeKind.BY_DATE,
    NodeKind.UNTAGGED,
)


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
    targets = [name for name in LEAVES if name not in DOORS]
    if not filters:
        targets.append(NodeKind.UNTAGGED)  # the root lists the others, and the doors
    else:
        if is_writable and Addition.of(query) is not None:
            targets += DOORS
        if len(filters) < FILTERS_MAX:
            targets += _LIST_NOTHING
        if len(filters) == 1:
            targets += [kind for kind in _LIST_SOMETHING if _leads_further(kind, filters[0])]
    return [f".{target}" for target in targets]


def signposted(name: str) -> str:
    """Return the target of the signpost *name*."""
    return name.removeprefix(".")


def _leads_further(kind: NodeKind, applied: Filter) -> bool:
    """Return whether *kind*, a filter that lists something, may select less than the filter *applied* by itself."""
    match kind:
        case NodeKind.BY_TAG:
            return not isinstance(applied, Untagged)
        case NodeKind.BY_SOURCE:
            return not isinstance(applied, FromSource)
        case NodeKind.BY_DATE:
            return not (isinstance(applied, During) and _is_within_a_day(applied))
        case NodeKind.BY_LEVEL:
            return not isinstance(applied, AtLevel)
        case NodeKind.UNTAGGED:
            return not isinstance(applied, HasTag | Untagged)
    return True


def _is_within_a_day(range_: During) -> bool:
    return range_.start // TICKS_PER_DAY == range_.end // TICKS_PER_DAY
