"""A token-level diff of an edit: the replacements that could be made elsewhere as well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.tokens import Token, tokens

MAX_CHARS = 1500  # of the lines that an edit touched; more is pasted or deleted text, which nothing follows from


@dataclass(frozen=True)
class TokenReplacement:
    """Some tokens of the lines as they were, and what stands there now. One of both may be empty."""

    old: tuple[Token, ...]
    new: tuple[Token, ...]
    old_text: str
    new_text: str
    index: int  # of the first old token (or, where there is none, of the token behind) in the old lines

    @property
    def is_telling(self) -> bool:
        """Whether what was replaced is known again by itself, and was replaced and not removed."""
        return bool(self.new) and any((one.is_name or one.is_literal) and len(one.text) > 1 for one in self.old)


@dataclass(frozen=True)
class Change:
    """The lines that an edit touched, before and after it. Token offsets are those of the two versions' whole texts."""

    before: str  # the whole document
    after: str
    old: tuple[Token, ...]  # of the lines as they were
    new: tuple[Token, ...]
    replacements: tuple[TokenReplacement, ...]  # from left to right
    start: int  # where the lines begin, in both versions
    end: int  # where they end in the one after the edit; all behind it is the same in both

    @property
    def come(self) -> set[str]:
        """The words and signs that the edit has brought."""
        return {token.text for one in self.replacements for token in one.new}


def change_of(edit: RecentEdit, after: str) -> Change | None:
    """The change in a document; None where nothing but white space changed, or too much."""
    start = after.rfind("\n", 0, edit.start) + 1
    end = _line_end(after, edit.end)
    before = edit.undone(after)
    old_end = end - len(edit.new(after)) + len(edit.old)
    if max(end - start, old_end - start) > MAX_CHARS:
        return None
    old, new = tokens(before, start, old_end), tokens(after, start, end)
    replacements = tuple(_replacements(before, after, old, new))
    return Change(before, after, tuple(old), tuple(new), replacements, start, end) if replacements else None


def alike(edit: RecentEdit, others: Iterable[RecentEdit], after: str) -> tuple[RecentEdit, ...]:
    """Those of a document's other edits that do nothing but what an edit does, and at least one thing that tells."""
    done = _done(edit, after)
    return tuple(other for other in others if other != edit and _tells(said := _done(other, after)) and said <= done)


def _done(edit: RecentEdit, after: str) -> set[tuple[str, str]]:
    """What was put in the place of what."""
    change = change_of(edit, after)
    return {(one.old_text, one.new_text) for one in change.replacements} if change else set()


def _tells(done: set[tuple[str, str]]) -> bool:
    """Whether words were replaced or put in, and not signs alone."""
    return any(any(sign.isalnum() for sign in old + new) for old, new in done)


def _replacements(before: str, after: str, old: list[Token], new: list[Token]) -> list[TokenReplacement]:
    matcher = SequenceMatcher(None, [one.text for one in old], [one.text for one in new], autojunk=False)
    found = []
    for kind, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if kind != "equal":
            gone, come = tuple(old[old_start:old_end]), tuple(new[new_start:new_end])
            found.append(TokenReplacement(gone, come, _text(before, gone), _text(after, come), old_start))
    return found


def _text(text: str, some: tuple[Token, ...]) -> str:
    return text[some[0].start : some[-1].end] if some else ""


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end
