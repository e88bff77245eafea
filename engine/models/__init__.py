"""Model families: how each reads a context and denoises a canvas."""
