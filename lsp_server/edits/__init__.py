"""Edit suggestions: blocks that are refilled on request, and next edits that follow from the last ones."""
