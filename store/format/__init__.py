"""Events as bytes; opens no file.

A record is parsed in five ways, each for a reason that was measured (180 bytes an event, one core):

- ``record.parse``, 210,000 events/s: one record, canonical or not, in any buffer. Its regular expression for common headers
  makes it 2.2 times as fast as ``decode_header`` alone.
- ``block.read_block``, 2.2 million events/s: many canonical records at once. ``scan.scan_blocks`` uses it from ``_MANY_SIZE``
  bytes on; in smaller blocks it is slower than ``record.parse``.
- ``contents.find_contents``, 12 million events/s: where the contents of many records lie that were parsed before.
- ``canonical.find_canonical``, 5 million events/s: where all parts of such records lie, those that are spelled as this store
  does.
- ``store.theia.EventParser``, 83,000 events/s: the programming interface of theia, which takes a stream. It consists of
  ``decode_preamble`` and ``decode_header``.
"""
