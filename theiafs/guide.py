"""The text of the README file at the top of every mount."""

__all__ = ["GUIDE"]

GUIDE = """\
This directory is a theiafs mount: log events as files.

  ingest                  append here; every line becomes an event
  minutes/<start>-<end>   the events of each minute, byte for byte as they are stored
  latest                  the newest of these files
  by-tag/<tag>/           the events that have a tag, a file for each minute
  by-tag/<tag>,<tag>/     the events that have at least one of these tags
  range/<from>-<to>/      the events of a time range, both ends included; see below

In by-tag/<tag>/, range/<range>/ and any combination of them there are also, without being listed:

  events                  all of it as one file; made for tail -f
  count                   the number of events
  ingest                  append here, and the events get the tags the path says
  by-tag/, range/         filters within filters: by-tag/web/range/last-15m/by-tag/error/events

Try, from this directory:

  echo "disk is full" >> ingest
  mkdir by-tag/web && echo "GET / 500" >> by-tag/web/ingest
  cat by-tag/web/events
  grep -r 500 by-tag/web/
  cat range/last-15m/count
  tail -f by-tag/web/events

Ranges:

  1763800000-1763803600                epoch seconds, fractions allowed; 1763800000- has no end
  20261123T101500Z-20261123T102000Z    the same in ISO 8601 basic format, UTC
  2026-11-23  2026-11-23T10  2026-11   a day, an hour, a month, in UTC
  last-15m                             the last 15 minutes (s, m, h, d); it moves with the clock, but
                                       stands still for a file while that file is held open

An event in a file looks like this:

  event: 73 66 7            bytes in all, of the next four lines, of the content
  id:event-1
  timestamp: 10.0000000     seconds since the epoch
  source:/source/1
  tags:event,test
  event 1                   the content, and an empty line after it

What can be read here cannot be changed or removed. Tags are written as file names with "%2F" for "/", "%25"
for "%", and so on for control characters, a leading dot and bytes that are not UTF-8.
"""
