"""Lines like the one that an edit changed, as it was before: a twin branch, the next case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from lacuna.lsp_server.edits.next_edit.change import Change, TokenReplacement
from lacuna.lsp_server.edits.next_edit.followed_lists import Filling
from lacuna.lsp_server.edits.next_edit.other_values import has_other_values
from lacuna.lsp_server.edits.next_edit.tokens import Token, tokens

SIMILAR = 0.6  # share of tokens that a line must have in common with the one that changed
_LEAST_TOKENS = 4  # of a line that another one can be like, or one less where both hold a name that is the same
_LONGEST_LINE = 400  # characters
_DEFINES = re.compile(r"\b(def|fn|func|function|fun)\b")


def similar_lines(change: Change, text: str) -> Iterator[list[Filling]]:
    """Lines like the one that was changed, as it was before: a twin branch, the next case. A call is none of the
    function's first line, and a line that was put in is no change of the one beside it."""
    old = [token.text for token in change.old]
    if any(one.is_telling or _is_of_lines(change, one) for one in change.replacements):
        return  # words that are known again are looked for everywhere
    names = {token.text for token in change.old if token.is_name} if len(old) < _LEAST_TOKENS else set()
    if len(old) < _LEAST_TOKENS - bool(names) or "\n" in change.before[change.old[0].start : change.old[-1].end]:
        return
    defines = _defines(change.before[change.old[0].start : change.old[-1].end])
    matcher = SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(old)
    start = 0
    for line in text.split("\n"):
        is_edited = start <= change.end and change.start <= start + len(line)
        if len(line) <= _LONGEST_LINE and not is_edited and _defines(line) == defines:
            others = tokens(text, start, start + len(line))
            if names and not names & {token.text for token in others}:
                others = []
            matcher.set_seq1([token.text for token in others])
            if min(matcher.real_quick_ratio(), matcher.quick_ratio()) >= SIMILAR and matcher.ratio() >= SIMILAR:
                yield _followed(change, text, matcher, others)
        start += len(line) + 1


def _is_of_lines(change: Change, one: TokenReplacement) -> bool:
    """Whether whole lines came, and not words of one."""
    return "\n" in (one.new_text if one.old else _spaced(change, one))


def _defines(line: str) -> bool:
    return _DEFINES.search(line) is not None


def _followed(change: Change, text: str, matcher: SequenceMatcher[str], others: list[Token]) -> list[Filling]:
    """The same replacements in a line that is like the one they were made in; none where one has no place there."""
    counterpart: dict[int, int] = {}
    for kind, first, last, old_first, old_last in matcher.get_opcodes():
        if kind == "equal" or (kind == "replace" and last - first == old_last - old_first):
            counterpart.update(zip(range(old_first, old_last), range(first, last), strict=True))
    found = []
    for one in change.replacements:
        matched = [counterpart.get(one.index + step, -1) for step in range(len(one.old))]
        before, after = counterpart.get(one.index - 1), counterpart.get(one.index + len(one.old))
        place = after if after is not None else len(others) if before is None else before + 1
        if not one.old and has_other_values(one.new, change.old, one.index, others, place):
            return []
        if one.old and _says(others, matched, one):
            found.append(Filling(others[matched[0]].start, others[matched[-1]].end, one.new_text))
        elif not one.old and after is not None and (before == after - 1 if one.index else after == 0):
            gap = text[others[after - 1].end : others[after].start] if after else ""
            found.append(Filling(others[after].start, others[after].start, _spaced(change, one).removeprefix(gap)))
        elif not one.old and before is not None and one.index == len(change.old):
            found.append(Filling(others[before].end, others[before].end, _spaced(change, one)))
        else:
            return []
    return found


def _says(others: list[Token], at: list[int], one: TokenReplacement) -> bool:
    """Whether the other line has the words that were replaced, and nothing between them."""
    in_a_row = at[0] >= 0 and at == list(range(at[0], at[0] + len(at)))
    return in_a_row and all(others[place].text == old.text for place, old in zip(at, one.old, strict=True))


def _spaced(change: Change, one: TokenReplacement) -> str:
    """What was inserted, with the space around it on its lines."""
    start, end = one.new[0].start, one.new[-1].end
    before = max((token.end for token in change.new if token.end <= start), default=start)
    following = next((token.start for token in change.new if token.start >= end), end)
    return change.after[before:following]
