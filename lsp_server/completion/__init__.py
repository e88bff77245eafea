"""Completions, asynchronously: one request at a time, type-through, prefetch."""
