"""The store on ClickHouse: the same events in the tables of an engine that many machines share.

What is where, from the top; each imports only what stands below it::

    store       the store itself: puts the others together
    spool       events that wait on this machine while the engine is away
    writer      one insert at a time, for all that wait; repeated until the answer is definite
    remover, registry, catalogue
                what is removed; declared tags, views and states; which tags and sources there are
    answer      bytes of an answer, window by window
    listing     the minutes of an answer with their sizes, as of a cursor
    reader      records and sums from the engine
    arrivals    the cursor: how far the engine has come
    columns     from a batch to the columns of the table
    schema      the tables, and how they became what they are
    compiler    from a query to a condition in SQL
    native      columns as bytes, in the engine's Native format
    wire        requests over HTTP, and what their failures mean
    address     the server, the database and the user, without the password

The order of arrival is that of the engine's block numbers: an INSERT is one block, which is stored whole or not at all, and
within it ``n`` counts the events.
"""
