"""What is read of strangers: plain files of a plausible size, checked numbers, patterns, secrets."""
