"""The text of the README file at the top of every mount."""

__all__ = ["GUIDE"]

GUIDE = """\
This directory is a theiafs mount: log events as files.

  ingest                  append here; every line becomes an event
  minutes/<start>-<end>   the events of each minute, byte for byte as they are stored
  latest                  the newest of these files
  by-tag/<tag>/           the events that have a tag, a file for each minute
  by-tag/<tag>,<tag>/     the events that have at least one of these tags
  by-source/<source>/     the events from a source; several with commas
  by-level/<level>/       emerg, alert, crit, err, warning, notice, info, debug, trace; err+ is err or worse
  by-date/<yyyy-mm-dd>/   the events of a day, in UTC; a month (2026-11) or an hour (2026-11-23T10) works too
  range/<from>-<to>/      the events of a time range, both ends included; see below
  match/<regex>/          the events in which a regular expression (RE2) matches; "/" is written %2F
  untagged/               the events without a tag
  not/<filter>/           the events that a filter does not select: not/by-tag/debug
  by-id/<id>              one event
  views/<name>            queries with a name, as links that you make; see below
  errors                  why "Invalid argument": a line for each request that was refused
  status                  how the store and this mount are, as "key: value" lines

grep in minutes, or in one of the others: from here, grep -r reads each event once for each directory that lists it.

In each of these directories but the last two there are also (ls -A shows links to them):

  events                  all of it as one file; made for tail -f
  events.log              the same, one event a line: time, source, [tags], content; sort -k1,1 is time order
  events.jsonl            the same as JSON, with the id and the level, one object a line
  <start>-<end>.log       one minute of it, one event a line; and .jsonl. Those in minutes, too
  count                   the number of events
  tags, sources, levels   what occurs, and how often
  histogram               how many events when
  patterns                the kinds of messages, and how many of each
  ingest                  append here; the events get the tags, source and level that the path says
  by-tag/, range/, ...    filters within filters: by-tag/web/range/last-15m/not/by-source/cron/events

Try, from this directory:

  echo "disk is full" >> ingest
  mkdir by-tag/web && echo "GET / 500" >> by-tag/web/ingest
  cat by-tag/web/events
  grep -r 500 by-tag/web/
  cat range/last-15m/count
  cat levels patterns by-level/warning+/histogram
  cat 'by-tag/web/match/ 50[0-9]/sources'
  tail -f by-tag/web/events.log
  cat "$(readlink latest).log"
  cat range/2026-13/count; tail -2 errors

A view is a link to a directory or a file of this mount, written as seen from views. Walks do not follow it.

  ln -s ../by-tag/web/range/last-1h views/web
  cat views/web/count views/web/events
  mv views/web views/frontend && rm views/frontend

Ranges: <from>..<to> or <from>-<to>, both ends included; either may be left out.

  2026-11-23..2026-11-24               a calendar time is the whole of what it names: all of both days
  2026-11-23  2026-11-23T10  2026-11   and a range by itself; in UTC, or with an offset like +01:00
  20261123T101500Z..                   ISO 8601, extended or basic, to any precision
  1763800000-1763803600.5              epoch seconds; 12 to 14 digits are milliseconds, 15 to 17
                                       microseconds, 18 and 19 nanoseconds; 4 are a year, 8 a date
  @5..@10                              always epoch seconds
  2026-11-23T10:15:41~30s              from 30 s before it to 30 s after it
  today  yesterday                     they move at midnight
  last-15m  15m                        the last 15 minutes (s, m, h, d, w); it moves with the clock, but
                                       stands still for a file while that file is held open
  newest-15m                           the last 15 minutes before the newest event

An event in a file looks like this:

  event: 73 66 7            bytes in all, of the next four lines, of the content
  id:event-1
  timestamp: 10.0000000     seconds since the epoch
  source:/source/1
  tags:event,test
  event 1                   the content, and an empty line after it

What can be read here cannot be changed or removed, but for views. Tags are written as file names with "%2F" for "/", "%25"
for "%", and so on for control characters, a leading dot and bytes that are not UTF-8.
"""
