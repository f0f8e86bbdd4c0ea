"""Tests of the store on ClickHouse, on a real server."""
