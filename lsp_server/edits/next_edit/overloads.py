"""Other definitions of a name whose parameters an edit has changed: overloads have parameters of their own."""

from __future__ import annotations

from collections import Counter

from lacuna.lsp_server.edits.next_edit.argument_lists import ListChange, definitions, list_changes, lists_of, texts_of
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.parameters import same_parameters


def changes_overload(change: Change, language: str, text: str, start: int, end: int, new: str) -> bool:
    """Whether to make `new` of a piece of a text changes an overload of a function whose parameters a change has
    changed. What had the same parameters as that is none."""
    after = text[:start] + new + text[end:]
    changed = (one for one in list_changes(change, language) if one.in_definition)
    return any(_overloads(one, text, start) != _overloads(one, after, start) for one in changed)


def _overloads(change: ListChange, text: str, around: int) -> Counter[tuple[str, ...]]:
    """The lists of parameters that are neither what the changed one was nor what it is."""
    heads = definitions(text, change.language)
    lists = lists_of(change.name, text, change.language, around, heads)
    found = (texts_of(text, one) for one in lists if one.is_definition)
    own = (change.old, change.new)
    return Counter(one for one in found if not any(same_parameters(one, other, change.language) for other in own))
