"""The logs of an outage: two hours of a shop, 12 services, one fault. Seeded: the same events every time.

The truth, which the logs tell as logs do:

- At 09:38 ``reports`` starts a job that it never had: an export with 90 connections to ``orders-db``, which has 100.
- From 09:41 on ``orders-db`` refuses connections; ``orders``, ``inventory``, ``payments``, ``cart``, ``web`` and ``gateway``
  fail in this order, each because of one before it; ``gateway`` answers 503. It is worst in the minute from 10:14 on.
- At 10:31 the export is cancelled, and the errors end.
- ``search`` fails from 10:02 to the end: one of its disks is full, which has nothing to do with it.
- ``backup`` forgot its tags. Some numbers are 503 without being a status.
"""
