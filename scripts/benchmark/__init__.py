"""What theiafs costs, beside what a user would pick instead. Run by ``scripts/bench``."""
