"""Checkpoints of several dialects, translated into the weights that a model names, each with its codec."""
