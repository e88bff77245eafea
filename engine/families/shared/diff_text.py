"""A unified diff as text, line by line: the user's hunks, and the hunk that is to go on."""

from __future__ import annotations

from lacuna.engine.diff_api import DiffQuestion, Hunk

STAYS, GOES, COMES = " ", "-", "+"  # how a line of a hunk begins


def made(question: DiffQuestion) -> list[str]:
    """All that stands before the lines of a question, with the hunks as the user made them."""
    if question.unfinished is None:
        return [*told(question), *opened(question)]
    removed = question.unfinished.removed
    return [*told(question), *opened(question, 1 - len(removed)), *_with(GOES, removed)]


def unmade(question: DiffQuestion) -> list[str]:
    """The same as if nothing had been changed: in every hunk stands what is there now."""
    hunks = [line for hunk in question.hunks for line in _unmade(hunk)]
    return [*_head(question.path), *hunks, *opened(question)]


def told(question: DiffQuestion) -> list[str]:
    """The hunks as the user made them."""
    return [*_head(question.path), *(line for hunk in question.hunks for line in _made(hunk))]


def opened(question: DiffQuestion, more: int = 0) -> list[str]:
    """The head of the last hunk, which brings so many lines more than it takes away, and what stands above in it."""
    count = len(question.above) + len(question.lines)
    file = _head(question.elsewhere) if question.elsewhere else []
    return [*file, _range(question.line, count - more, count), *_with(STAYS, question.above)]


def _head(path: str) -> list[str]:
    return [f"diff --git a/{path} b/{path}\n", f"--- a/{path}\n", f"+++ b/{path}\n"]


def _made(hunk: Hunk) -> list[str]:
    lines = [*_with(STAYS, hunk.above), *_with(GOES, hunk.removed), *_with(COMES, hunk.added)]
    above = len(hunk.above)
    return [_range(hunk.line, above + len(hunk.removed), above + len(hunk.added)), *lines]


def _unmade(hunk: Hunk) -> list[str]:
    lines = _with(STAYS, (*hunk.above, *hunk.added))
    return [_range(hunk.line, len(lines), len(lines)), *lines]


def _with(sign: str, lines: tuple[str, ...]) -> list[str]:
    return [sign + line for line in lines]


def _range(line: int, old: int, new: int) -> str:
    return f"@@ -{line},{old} +{line},{new} @@\n"
