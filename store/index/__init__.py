"""The index: derived from the minute files, and rebuilt from them when it is lost."""
