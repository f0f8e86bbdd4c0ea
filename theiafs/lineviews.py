"""Line views: the files that show events one a line, in which view."""

from store import View
from theiafs.paths import NodeKind
from theiafs.rendering.jsonl import JsonlView
from theiafs.rendering.log import LogView

__all__ = ["LINE_VIEWS", "VIEW_OF"]

_LOG, _JSONL = LogView(), JsonlView()

LINE_VIEWS: tuple[View, ...] = (_LOG, _JSONL)
"""All of them."""

VIEW_OF: dict[NodeKind, View] = {
    NodeKind.EVENTS_LOG: _LOG,
    NodeKind.MINUTE_LOG: _LOG,
    NodeKind.EVENTS_JSONL: _JSONL,
    NodeKind.MINUTE_JSONL: _JSONL,
}
"""The view of each kind of file that has one."""
