"""Formats of logs: what their lines say of the time, the source and the fields of an event. Pure functions, outside of the store."""
