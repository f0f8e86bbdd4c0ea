"""From a query to the bytes and the events that answer it."""
