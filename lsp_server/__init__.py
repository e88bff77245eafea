"""The language server: documents and positions in, suggestions out. It leaves tensors to the engine."""
