"""The end of a process, which flushes nothing."""

from store import NaiveEventStore

__all__ = ["end_process"]


def end_process(store: NaiveEventStore) -> None:
    """Do to *store* what the end of its process does: close its files without a flush."""
    if store._timer is not None:
        store._timer.cancel()
        store._timer.join()
    store._watcher.close()
    store._state.database.close()
    store._log.close()
    store._store_lock.close()
