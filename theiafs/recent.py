"""Recent values: those that were put last, for as long as there is room."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Recent"]

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """Values by key, at most *length_max*; the one put first is forgotten first. Any number of threads may use it."""

    def __init__(self, length_max: int) -> None:
        self._length_max = length_max
        self._lock = threading.Lock()
        self._values: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key) -> _Value | None:
        """Return the value of *key*; None if it is not here."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: _Key, value: _Value) -> _Value | None:
        """Keep *value* as that of *key*; return the one before."""
        with self._lock:
            before = self._values.pop(key, None)
            self._values[key] = value
            if len(self._values) > self._length_max:
                self._values.popitem(last=False)
            return before
