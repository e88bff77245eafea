"""Refills: a line, statement, block or selection written anew by a code action."""
