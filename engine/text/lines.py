"""Text as lines."""

from __future__ import annotations


def lines_of(text: str) -> list[str]:
    """Each with its line end, the last one too."""
    return [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []
