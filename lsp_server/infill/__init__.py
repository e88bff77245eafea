"""From a snapshot to a question, from a fill to a suggestion. Pure functions."""
