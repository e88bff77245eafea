"""What speaks against a next edit: it undoes what was typed, changes no code, holds a secret, or breaks the syntax."""

from __future__ import annotations

from lacuna.engine.text.languages import Kind
from lacuna.engine.text.syntax import MissingGrammar, error_count, grammar, parse, spans
from lacuna.engine.untrusted.secrets import reveals
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.tokens import tokens
from lacuna.lsp_server.infill.repetition import loops

_LINE = 300  # characters behind it, in which a secret may end
_NEAR = 2000  # characters on either side that are parsed with it


def objection(
    text: str, start: int, end: int, new: str, language: str, change: Change, known: str = ""
) -> Quiet | None:
    """Why to make `new` of a piece of a document should not be offered after a change; None where it may be. `known` is
    what the model has read besides what stands around it."""
    if _reveals(text, start, end, new, known):
        return Quiet.SECRET
    return Quiet.NO_BETTER if _is_no_better(text, start, end, new, language, change) else None


def _is_no_better(text: str, start: int, end: int, new: str, language: str, change: Change) -> bool:
    old = text[start:end]
    if _said(old) == _said(new) or _undoes(old, new, change) or loops(new):
        return True
    if isinstance(grammar(language), MissingGrammar):
        return False
    first, last = lines_near(text, start, end)
    before, after = text[first:start], text[end:last]
    if errors(language, before + new + after) > errors(language, before + old + after):
        return True
    return _is_comment(language, before, old, new, after)


def _reveals(text: str, start: int, end: int, new: str, known: str) -> bool:
    before, after = text[max(start - _NEAR, 0) : start], text[end : end + _NEAR]
    return reveals(before, new, after[:_LINE].partition("\n")[0], known=f"{known}\n{before}{after}")


def changes_only_comments(change: Change, language: str) -> bool:
    """Whether an edit left the code around it as it was."""
    first, last = lines_near(change.after, change.start, change.end)
    last_before = last + len(change.before) - len(change.after)
    return code_of(language, change.before[first:last_before]) == code_of(language, change.after[first:last])


def changes_only_prose(text: str, start: int, end: int, new: str, language: str) -> bool:
    """Whether to make `new` of a piece of a text changes comments and plain strings alone, those into which no value is
    put."""
    first, last = lines_near(text, start, end)
    before, after = text[first:start], text[end:last]
    old = code_of(language, before + text[start:end] + after, strings=False)
    return old == code_of(language, before + new + after, strings=False)


def code_of(language: str, text: str, strings: bool = True) -> list[str]:
    """The words and signs outside comments, and if not `strings` outside plain strings too; all of them where no
    grammar knows which these are."""
    if isinstance(grammar(language), MissingGrammar):
        return _said(text)
    found = spans(language, text, (Kind.COMMENT, Kind.STRING))
    plain = [] if strings else [span for span in found[Kind.STRING] if "{" not in text[span[0] : span[1]]]
    said, end = [], 0
    for first, last in [*sorted([*found[Kind.COMMENT], *plain]), (len(text), len(text))]:
        if first >= end:
            said += _said(text[end:first])
            end = last
    return said


def errors(language: str, text: str) -> int:
    """The errors that a language's grammar finds in a text."""
    tree = parse(language, text)
    return error_count(tree, 0, tree.root_node.end_byte)


def lines_near(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the lines begin and end that are near enough to a piece of a text to be parsed with it."""
    first, last = text.rfind("\n", 0, max(start - _NEAR, 0)) + 1, text.find("\n", end + _NEAR)
    return first, len(text) if last < 0 else last


def _said(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def _undoes(old: str, new: str, change: Change) -> bool:
    """Whether it would put back what the user has just replaced."""
    was, now = set(_said(old)), set(_said(new))
    for one in change.replacements:
        come, gone = {token.text for token in one.new}, {token.text for token in one.old}
        if come - gone and gone - come and come - gone <= was - now and gone - come <= now - was:
            return True
    return False


def _is_comment(language: str, before: str, old: str, new: str, after: str) -> bool:
    return code_of(language, before + old + after) == code_of(language, before + new + after)
