"""Deciding which events answer a query: event by event, and whole minutes at once."""
