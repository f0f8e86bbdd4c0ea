"""What is known of the minutes, derived from them and rebuildable."""
