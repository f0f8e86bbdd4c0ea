"""The text of the README file at the top of every mount: a screen for each topic, with examples to paste."""

__all__ = ["GUIDE"]

GUIDE = """\
SEARCHING

Do not "grep -r" at the top: that reads an event once for each directory that
lists it. Search one directory instead, in which each event stands once:

    echo "disk is full" >> ingest           # a line is an event, stored at once
    grep -r "disk is full" minutes          # the events of each minute, a file
    cat "match/disk is full/events.log"     # by an index, one event a line
    rg -c "disk is full"                    # ripgrep reads minutes only

More, a topic a screen: AN INCIDENT, WHAT IS WHERE, QUERY DIRECTORIES, FILTERS,
TIMES, LEVELS, REGULAR EXPRESSIONS, FOLLOWING, ADDING EVENTS, LOGS IN FORMATS,
VIEWS, MISTAKES, NAMES, REMOVING. The examples are for this directory, one after
the other; they add a few events.

AN INCIDENT

What is asked first, a command for each question. Filters before a name ask it
of a part: by-tag/<tag>/, by-source/<source>/, range/<from>..<to>/.

    awk '!seen[$2]++' by-level/err+/events.log   # the first error, and then the
                                            # first of each other source
    cat by-level/err+/range/2025-11-23T10:00..2025-11-23T10:29/sources
                                            # errors of each source, to 10:29:59
    cat by-level/err+/patterns              # kinds of errors: first time, last
    cat by-level/err+/range/2025-11-23T10:40../patterns  # which still go on
    sort -k2 not/by-level/warning+/patterns | tail -n 2  # what else is new: the
                                            # kinds that were first seen last
    cut -c1-16 by-level/err+/events.log | uniq -c | sort -rn | head -n 1
                                            # the worst minute
    cat by-level/err+/histogram             # at most 60 lines, also of a year
    cat 'match/" 503 /count'                # events with a text or expression
    cat untagged/sources                    # what has no tag

Several questions in one command: head shows each answer below its name.

    head -n 20 untagged/sources by-level/err+/sources by-level/err+/patterns

WHAT IS WHERE

  ingest                   append here; every line becomes an event
  minutes/<start>-<end>    the events of a minute, byte for byte as stored
  latest                   the newest of these files
  by-tag/<tag>/            query directory: the events with a tag
  by-source/<source>/      query directory: those from a source
  by-level/<level>/        query directory: those of a level
  by-date/<yyyy-mm-dd>/    query directory: those of a day, in UTC
  range/<from>..<to>/      query directory: those of a time range
  match/<regex>/           query directory: those that match an expression
  untagged/                query directory: those without a tag
  not/<filter>/            query directory: those that a filter leaves out
  by-id/<id>               one event
  views/<name>             queries with a name, as links that you make
  errors                   why requests were refused, a line for each
  status                   how the store and this mount are

    ls by-source by-date
    cat sources                             # how many events each has
    ls -l latest

range, match, not and by-id list nothing: they take any name that means
something.

QUERY DIRECTORIES

A query directory lists the minutes that have events for it. Hidden links show
what else it offers; programs that walk a tree do not follow them.

    mkdir -p by-tag/web && echo "GET / 500" >> by-tag/web/ingest
    ls -A by-tag/web

  events, events.log       all its events; the same, one a line
  events.jsonl             the same as JSON, one object a line
  <start>-<end>            those of one minute; with .log or .jsonl, too
  count                    how many there are
  tags, sources, levels    which there are, and how many events each has
  histogram                how many events when
  patterns                 the kinds of messages: how many, first time, last
  ingest                   append here: the event gets what the path says
  by-tag/, range/, ...     more filters

    cat by-tag/web/events.log by-tag/web/count
    cat sources levels patterns             # the top is one, too

FILTERS

Filters in a path are joined by AND, in any order, up to 16 of them. A comma is
OR. "not" takes back the one filter after it.

    cat by-tag/web/by-source/bash/count     # the tag AND the source
    cat by-source/bash/by-tag/web/count     # the same
    cat by-source/bash,cron/count           # fails: No such file or directory
    mkdir -p by-tag/db
    cat by-tag/web,db/count                 # one of the tags OR both
    cat by-tag/web/by-tag/db/count          # both tags
    cat by-tag/web/not/by-tag/db/not/by-level/debug/sources
    cat untagged/not/range/last-1h/count

A tag or source that no event has is no file, so that a typo is seen: above it
is the source "cron". mkdir makes a tag known before its first event; rmdir
takes that back as long as no event has it.

In a query directory, by-tag, by-source, by-level and by-date list what occurs
in it:

    ls by-tag/web/by-source by-tag/web/by-level

TIMES

A range is <from>..<to>, or <from>-<to>. Both ends are included; one of them may
be left out. All times are UTC, unless they have an offset.

    cat range/2025-11-23T09:00..2025-11-23T10:59/count   # all of 10:59, too
    cat range/2025-11-23T10/count           # a time is a range by itself
    cat range/..2025-11-23/count            # to the end of that day
    cat range/last-15m/count                # s, m, h, d, w; also just 15m
    cat range/newest-1h/histogram           # before the newest event
    cat range/2025-11-23T10:15:41~30s/count # 30 s before it to 30 s after it

  2025  2025-11  2025-11-23  2025-11-23T10:15:41.5  20251123T101541
                           the whole of what it names: as a start its first
                           instant, as an end its last
  2025-11-23T10:15+01:00   with an offset
  today  yesterday         these days
  1763892941  @5           epoch seconds; of 12 to 14 digits milliseconds, of 15
                           to 17 microseconds, of 18 and 19 nanoseconds

last-15m moves with the clock, but stands still for a file that is held open.

LEVELS

  emerg alert crit err warning notice info debug trace

The worst is first. Any usual spelling is understood, and a plus is "or worse".
The level of an event is that of a tag level=..., else of a field of its content
(JSON, logfmt, <N>), else of the first word that is written as a level, such as
ERROR, [error] or error: near its start.

    echo "ERROR: no space left" >> by-tag/web/ingest
    cat levels
    cat by-level/error/count by-level/ERR/count
    cat by-level/warning+/by-tag/web/events.log
    cat by-level/err,crit/sources
    cat not/by-level/info/not/by-level/debug/count   # those without one, too

What is appended below a level gets a tag that says so:

    echo "it hurts" >> by-level/crit/ingest
    tail -n 1 by-level/crit/events.log

REGULAR EXPRESSIONS

match/<regex> has the events in whose content an expression matches somewhere:
RE2's syntax, in time linear in what is searched. Quote it for the shell. Within
it a "/" is written %2F, and a "%" is written %25.

    cat 'match/GET .* 50[0-9]/count'
    cat 'match/(?i)error/sources'           # in upper or lower case
    cat 'match/^GET %2F /events.log'        # "GET / ", at the start of a line
    cat 'by-tag/web/match/500|space/range/last-1h/events.log'
    cat 'not/match/health|debug/count'
    cat 'match/(/count'                     # fails: Invalid argument

Filters by time, tag and source decide first where to search, wherever in the
path they stand. What was found is remembered.

FOLLOWING

A file grows at its end, in the order in which events arrive, and what was read
once stays: also while old minutes are removed.

    tail -f by-tag/web/events.log
    tail -f -n 0 by-level/err+/events.log

less +F works, too. A line has the time, the source, the tags and the content.
Newlines and what steers a terminal are escaped in it: an event is one line, and
to sort by the first word is to sort by time:

    sort -s -k1,1 by-tag/web/events.log | head -n 1
    cut -d ' ' -f 1,2 by-tag/web/events.log

events.jsonl has every byte of an event, its id and its level. In events, and in
minutes, an event looks like this:

    cat by-tag/web/events

ADDING EVENTS

Every line that is appended to an ingest file is an event: its time is now, its
source the command that writes. Below a query directory it also gets the tags,
the source and the level in the path.

    echo "GET /x 404" >> by-tag/web/by-tag/db/ingest
    mkdir -p by-source/nginx && echo "restarted" >> by-source/nginx/ingest
    printf 'one\\ntwo\\n' | tee -a by-tag/web/ingest
    tail -n 3 by-tag/web/events.log

There is no ingest where the path does not say what to add: below not, match,
untagged, and several sources or levels.

An event with a time of its own is appended as it is stored: sizes in bytes, of
all that follows, of the four lines of the header, and of the content.

    printf 'event: %s\\nid:%s\\n%s\\nsource:%s\\ntags:%s\\n%s\\n' '81 74 7' event-1 \\
      "timestamp: $(date +%s).0000000" /source/1 event,test 'event 1' >> ingest
    cat by-id/event-1 by-source/%2Fsource%2F1/count

LOGS IN FORMATS

Lines of a log are appended to the file of its format, and get their own time
and source. The content is the whole line; one that is not in the format is
stored too, tagged "unparsed".

    echo '{"time":"2025-11-23T10:15:00Z","msg":"no"}' >> ingest.jsonl
    echo 'Nov 23 10:15:00 web-1 sshd[9]: closed' >> ingest.syslog
    echo 'ts=2025-11-23T10:15:01Z level=warn app=pay msg=slow' >> ingest.logfmt
    cat range/2025-11-23T10:15:01/by-source/pay/events.log

  ingest.jsonl             JSON of loggers, and lines of events.jsonl
  ingest.syslog            syslog: RFC 5424, RFC 3164, files of rsyslog
  ingest.logfmt            key=value
  ingest.combined          access logs
  ingest.journal           journalctl -o json
  ingest.record            each write is one event: a stack trace stays whole

Old files, compressed ones too, come in by "theiafs import <mountpoint> FILE",
and a second time only what is new.

VIEWS

A view is a link to a directory or a file of this mount, written as it is seen
from the directory views. Programs that walk a tree do not follow it.

    ln -s ../by-tag/web/range/last-1h views/web
    cat views/web/count views/web/by-level/err+/count
    mv views/web views/frontend
    ls -l views
    rm views/frontend

A target that leads out of the mount, or means nothing, is refused:

    ln -s ../by-tg/web views/web            # fails: Invalid argument

Views are kept in the store.

MISTAKES

A name that can mean nothing is an error, never an empty answer:

    cat by-tag/wbe/count                    # fails: No such file or directory
    cat range/2025-13/count                 # fails: Invalid argument
    cat match/a[/count                      # fails: Invalid argument
    rm README                               # fails: Operation not permitted

"No such file or directory" is a tag, source, level or id that there is not. The
reason of any other error is in the file errors: the time, the process, the
operation, the path, and what is wrong, with a mark below the place.

    tail -n 4 errors
    grep -c EINVAL errors

How the store is, what waits to be written, and how much memory is used:

    grep -E '^(events|minutes|bytes|errors):' status

NAMES

As file names, tags and sources are written with %2F for "/", %25 for "%", %2C
for a comma in a source, and so on for control characters, a leading dot, and
bytes that are not UTF-8. Everything else stands as it is.

    mkdir -p by-tag/team%2Fred
    echo "hello" >> by-tag/team%2Fred/ingest
    ls by-tag
    cat by-tag/team%2Fred/events.log

Sizes are exact, so that any tool can copy:

    tar -cf - minutes | tar -tvf - | tail -n 1

REMOVING

What is read here cannot be changed. It can be removed if the mount has the
option delete, as in "theiafs mount -o delete": then "rm minutes/<start>-<end>"
removes a minute, "rm by-id/<id>" an event, and "rm events" in the directory of
a tag and a range all events there, for good. The range must not move: give
2026-11-23, not today or last-1d. Without the option:

    rm "$(readlink latest)"                 # fails: Operation not permitted
    tail -n 1 errors
"""
