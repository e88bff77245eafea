"""The fixed split by package into train, validation and test."""

from __future__ import annotations

import hashlib

SPLITS = ("train", "validation", "test")
HELD_OUT_PERCENT = 7  # of the packages, for each of validation and test

# Benchmarks and the README's example use these.
_TEST = {"click", "itsdangerous", "pluggy", "rich"}


def split_of(package: str) -> str:
    """By the package's name alone, so that a package stays where it is whatever else the corpus holds."""
    if package in _TEST:
        return "test"
    bucket = int.from_bytes(hashlib.sha256(package.encode()).digest()[:8]) % 100
    if bucket < HELD_OUT_PERCENT:
        return "test"
    return "validation" if bucket < 2 * HELD_OUT_PERCENT else "train"
