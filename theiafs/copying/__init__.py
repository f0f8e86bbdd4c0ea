"""Copying the events of one store into another: ``theiafs copy``.

The minutes of the source that have changed since the last copy (follower of the source, its cursor kept by the destination:
position) are compared with what the destination has at their times, and what is missing is saved there (copier).
"""
