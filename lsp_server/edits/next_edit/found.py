"""An edit that a search found, before it is offered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """An edit that follows: `text` replaces `start` to `end` of a plain text, which makes `new_line` of `line`."""

    uri: str
    start: int
    end: int
    text: str
    line: str
    new_line: str
