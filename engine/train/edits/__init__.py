"""Next edits learned from real ones: the hunks between two releases."""
