"""The store on ClickHouse: the same events in the tables of an engine that many machines share.

What is where, from the top; each imports only what stands below it::

    backend                     what becomes of an address: checking it, and opening the store
    store                       the store itself: puts the others together
    writer, spool               batches on their way: into one INSERT at a time, or onto this machine first
    inserter                    one INSERT, repeated until the answer is definite
    queries, follower           events, records and counts; what has arrived since a cursor
    answer                      the bytes of an answer by their offsets
    ahead, windows              bytes, several minutes or blocks at a time, as they were read last
    listing                     the minutes of an answer with their sizes, as of a cursor
    catalogue, declared, views  tags and sources, of events and without; saved views
    registry                    small things by name
    remover, statistics         what is removed; what the engine says of itself
    reader, scope               sums and records from the engine; which events, shown as what
    arrivals                    the cursor: how far the engine has come
    replicas                    up to where a server has what the others have stored
    shards, schema, tables      the tables, on one server or several, and how they became what they are
    columns, native             from a batch to columns, and from columns to bytes and back
    compiler                    from a query to a condition in SQL
    wire                        requests over HTTP, and what their failures mean
    address                     the server, the database and the user, without the password

The order of arrival is that of the engine's block numbers: an INSERT is one block, which is stored whole or not at all, and
within it ``n`` counts the events. So a cursor is the number of the last block, and whatever is kept of an answer (its minutes, its
blocks, the tags) is brought up to date by asking for the blocks after it.
"""
