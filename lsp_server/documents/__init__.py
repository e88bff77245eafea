"""The client's documents: text, positions, syntax trees, and which of them are left alone."""
