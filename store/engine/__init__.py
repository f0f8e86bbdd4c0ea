"""The store, put together from its parts."""
