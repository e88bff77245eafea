"""The lines of a question that differ from what was written for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from lacuna.engine.diff_api import LineEdit


def line_edit(before: Sequence[str], after: Sequence[str], probability: float) -> LineEdit | None:
    """From the first line that is another one to the last; None where none is."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    changes = [block for block in blocks if block[0] != "equal"]
    if not changes:
        return None
    (_, start, _, first, _), (_, _, end, _, last) = changes[0], changes[-1]
    return LineEdit(start, end, tuple(after[first:last]), probability)
