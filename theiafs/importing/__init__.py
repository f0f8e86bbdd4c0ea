"""Importing old logs: from files to events with their own times. Data flows one way through the rooms.

``inputs`` opens and decompresses files, ``rotation`` puts them in order, ``multiline`` makes contents of lines, and ``detection`` finds
out their format. ``logfile`` knows then how to read a file, and ``lines`` makes events of its lines, or ``records`` of its records.
``selection`` says which of them are new: ``ids`` follow from contents, with the help of ``places``, and ``known`` are those of the
``destination``. ``importer`` does all of this for the files of a ``command``, and ``summary`` says what was done.
"""
