"""Importing old logs: from files to events with their own times. Data flows one way through the rooms.

``inputs`` opens and decompresses files, ``rotation`` puts them in order, ``multiline`` makes contents of lines, and ``detection`` finds
out their format.
"""
