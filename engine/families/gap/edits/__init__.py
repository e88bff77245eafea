"""Edits with the gap family: holes filled together, log-likelihood drops, two versions of a document."""
