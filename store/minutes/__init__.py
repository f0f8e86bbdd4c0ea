"""Minute files."""
