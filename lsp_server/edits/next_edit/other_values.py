"""Whether a value that an edit brought would be copied among other values than it came to stand among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.tokens import Token, tokens

_OPENERS, _CLOSERS = frozenset("([{"), frozenset(")]}")


def has_other_values(come: Sequence[Token], old: Sequence[Token], at: int, others: Sequence[Token], place: int) -> bool:
    """Whether what came before the token `at` of a line is a value among such of its kind, and in another line there
    are different ones around the same place.

    `in (1, 2)` that became `in (1, 2, 5)` says nothing of `in (3, 4)`, but all of another `in (1, 2)`. What is given to
    a call is of many kinds: there it counts where all are alike, and two at least.
    """
    mine, theirs = _around(old, at), _around(others, place)
    for kind in {kind_of(one) for one in come if one.is_literal}:
        if _differ(mine.literals(kind), theirs.literals(kind)):
            return not (mine.is_call or theirs.is_call) or (mine.is_all(kind) and theirs.is_all(kind))
    items = [one for one in come if one.text != ","]
    if len(items) != 1 or not _is_value(items[0]):
        return False
    return mine.is_list and theirs.is_list and _differ(mine.beside, theirs.beside)


def copies_value(change: Change, old: str, new: str) -> bool:
    """Whether to make `new` of some lines puts what a change has put among values of its kind among different ones."""
    others, now = tokens(old), tokens(new)
    matcher = SequenceMatcher(None, [one.text for one in others], [one.text for one in now], autojunk=False)
    inserted = [
        (at, _values(now[first:last])) for kind, at, _, first, last in matcher.get_opcodes() if kind == "insert"
    ]
    brought = [one for one in change.replacements if not one.old and _values(one.new)]
    return any(
        values == _values(one.new) and has_other_values(one.new, change.old, one.index, others, at)
        for one in brought
        for at, values in inserted
    )


def kind_of(one: Token) -> str:
    """The kind of a literal; "" of another word or sign."""
    return "number" if one.text[0].isdigit() else "string" if one.is_literal else ""


def _differ(values: Sequence[Token], others: Sequence[Token]) -> bool:
    """Whether there are values on both sides, and not the same ones."""
    return bool(values and others) and {one.text for one in values} != {one.text for one in others}


@dataclass(frozen=True)
class _Around:
    """The tokens that stand in the same brackets as a place, or in none."""

    beside: tuple[Token, ...]
    is_call: bool
    is_list: bool  # of single words and literals, that is not given to a call

    def literals(self, kind: str) -> list[Token]:
        return [one for one in self.beside if kind_of(one) == kind]

    def is_all(self, kind: str) -> bool:
        """Whether there are two or more, all literals of a kind."""
        items = [one for one in self.beside if one.text != ","]
        return len(items) > 1 and items == self.literals(kind)


def _around(line: Sequence[Token], at: int) -> _Around:
    left = _level(line[:at][::-1], _CLOSERS, _OPENERS)
    right = _level(line[at:], _OPENERS, _CLOSERS)
    opener = at - 1 - left[1]
    beside = (*left[0][::-1], *right[0])
    before = line[opener - 1] if opener > 0 else None
    is_call = before is not None and (before.is_name or before.text in _CLOSERS)
    is_list = opener >= 0 and not is_call and all(_is_value(one) or one.text == "," for one in beside)
    return _Around(beside, is_call, is_list)


def _level(some: Sequence[Token], inwards: frozenset[str], outwards: frozenset[str]) -> tuple[list[Token], int]:
    """The tokens up to the bracket around them that are in no inner ones, and how many there are with those."""
    found, depth = list[Token](), 0
    for count, one in enumerate(some):
        depth += (one.text in inwards) - (one.text in outwards)
        if depth < 0:
            return found, count
        if not depth and one.text not in outwards:
            found.append(one)
    return found, len(some)


def _values(some: Sequence[Token]) -> list[str]:
    return [one.text for one in some if _is_value(one)]


def _is_value(one: Token) -> bool:
    return one.is_name or one.is_literal
