"""Next edits: what follows elsewhere from the last edits, offered one at a time (next edit suggestions)."""
