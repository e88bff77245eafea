"""Edits that nobody made, of the kinds that others follow from: a name changes, comes or goes, or a form does."""
