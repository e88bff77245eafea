"""Counts of what was shown and accepted, on this machine alone."""
