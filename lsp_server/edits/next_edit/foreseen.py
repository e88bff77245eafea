"""Whether an edit can be foreseen from the user's: what it takes away the user has taken away, too, and what it brings
stands in what the user brought, or near."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from lacuna.engine.diff_api import DiffQuestion, LineEdit

_WORD = re.compile(r"\w+")


def is_foreseen(question: DiffQuestion, edit: LineEdit) -> bool:
    """By words."""
    come, gone = _changed(question.lines[edit.start : edit.end], edit.lines)
    brought, taken = set[str](), set[str]()
    for hunk in question.hunks:
        more, less = _changed(hunk.removed, hunk.added)
        brought |= more
        taken |= less
    near = {word for line in (*question.above, *question.lines) for word in _WORD.findall(line)}
    return gone <= taken and come <= brought | near and bool(come & brought or gone & taken)


def _changed(before: Iterable[str], after: Iterable[str]) -> tuple[set[str], set[str]]:
    """The words that come, and those that go."""
    old, new = (Counter(_WORD.findall("".join(lines))) for lines in (before, after))
    return set(new - old), set(old - new)
