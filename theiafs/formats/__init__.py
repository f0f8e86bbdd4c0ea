"""Formats of logs: what their lines say of the time, the source and the fields of an event. Pure functions, outside of the store.

The formats are each in a room of their own. ``fields`` says what a format is; ``times`` reads the times of all of them, whose forms are
listed in ``timeforms``; ``keys`` makes tags of fields.
"""
