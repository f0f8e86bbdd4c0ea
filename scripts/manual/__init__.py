"""The man pages, and the completions of shells, made from the parser of the command line."""
