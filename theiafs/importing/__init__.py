"""Importing old logs: from files to events with their own times. Data flows one way through the rooms.

``inputs`` opens and decompresses files, ``rotation`` puts them in order, ``multiline`` makes contents of lines, and ``detection`` finds
out their format. ``logfile`` knows then how to read a file. The ``reader_process`` reads the fields of its lines, of which ``lines``
makes events, or ``records`` makes them of its records.
``selection`` says which of them are new: ``ids`` follow from contents, with the help of ``places``, and ``known`` are those of the
``destination``. ``importer`` does all of this for the files of a ``command``, and ``summary`` says what was done.
"""
