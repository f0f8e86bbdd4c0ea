"""The cost of theiafs, compared with the tools that a user would pick instead. Run by ``scripts/bench``."""
