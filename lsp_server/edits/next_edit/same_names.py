"""Where the words stand that an edit replaced: the other uses of what was renamed, of a literal that got a name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lacuna.lsp_server.edits.next_edit.change import Change, TokenReplacement
from lacuna.lsp_server.edits.next_edit.followed_lists import Filling
from lacuna.lsp_server.edits.next_edit.tokens import Token, tokens

_BINDS = r"(?<![.\w]){0}\s*(:[^=\n]+)?:?=(?!=)|\b(as|for|let|var|const|mut|val)\s+(\w+,\s*)*{0}\b"
_PARAMETERS = re.compile(r"[^({]*\(([^)]*)\)")
DEFINES = r"\b(def|class|fn|func|fun|function|struct|enum|trait|interface|type|const|static|module|macro)\s+"

_Span = tuple[int, int]


def same_names(change: Change, text: str, functions: Sequence[_Span] | None) -> Iterator[list[Filling]]:
    """Per replacement, everywhere that the same words stand.

    `functions` of the edited document, where `text` is that one: a name that one of them binds means nothing outside
    it. None for another document, where only a definition's new name matters.
    """
    everywhere: list[Token] = []
    for one in change.replacements:
        if not _is_known_again(one, change, functions or ()) or _is_moved(one, change):
            continue
        if functions is None and not _is_shared(one, change, text):
            continue
        everywhere = everywhere or tokens(text)
        scope, others = _scope(one, change, functions or ()), _with_their_own(one, change, text, functions or ())
        spans = _occurrences(one, text, everywhere, change)
        inside = (span for span in spans if _contains(scope, span) and not any(_contains(f, span) for f in others))
        yield [Filling(*span, one.new_text) for span in inside]


def _is_known_again(one: TokenReplacement, change: Change, functions: Sequence[_Span]) -> bool:
    """Whether the words mean the same wherever they stand; a name of one letter does in the function that binds it."""
    if one.is_telling:
        return True
    is_letter = bool(one.new) and _is_name(one, change)
    return is_letter and _around_binding(one, change, functions) is not None


def _is_moved(one: TokenReplacement, change: Change) -> bool:
    """Whether the words were not replaced but stand elsewhere now."""
    return all(token.text in change.come for token in one.old)


def _is_shared(one: TokenReplacement, change: Change, other: str) -> bool:
    """Whether a definition got another name, which another document may use and does not define itself."""
    left = change.after[change.after.rfind("\n", 0, one.new[0].start) + 1 : one.new[0].start]
    is_definition = re.search(DEFINES + r"$", left) is not None
    return is_definition and not re.search(DEFINES + re.escape(one.old_text) + r"\b", other)


def _scope(one: TokenReplacement, change: Change, functions: Sequence[_Span]) -> _Span:
    """The innermost function around an edit that binds the name which was replaced, else the whole document."""
    bound = _around_binding(one, change, functions) if _is_name(one, change) else None
    return bound or (0, max(len(change.before), len(change.after)))


def _around_binding(one: TokenReplacement, change: Change, functions: Sequence[_Span]) -> _Span | None:
    """The innermost function around an edit that binds the name which was replaced, or did until the user began to
    replace it: then it binds the new one."""
    around = (span for span in functions if _contains(span, _place(one)))
    for start, end in sorted(around, reverse=True):
        # As it was before the edit, on whose right everything stands as far from the end as it did.
        before = change.before[start : end + len(change.before) - len(change.after)]
        if _binds(before, one.old_text) or _binds(before, one.new_text):
            return start, end
    return None


def _with_their_own(one: TokenReplacement, change: Change, text: str, functions: Sequence[_Span]) -> list[_Span]:
    """The functions elsewhere that bind the name themselves, to something else."""
    if not _is_name(one, change):
        return []
    elsewhere = (span for span in functions if not _contains(span, _place(one)))
    return [(start, end) for start, end in elsewhere if _binds(text[start:end], one.old_text)]


def _contains(outer: _Span, inner: _Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _place(one: TokenReplacement) -> _Span:
    return one.new[0].start, one.new[-1].end


def _is_name(one: TokenReplacement, change: Change) -> bool:
    """Whether one name was replaced that may be bound, which an attribute is not."""
    return len(one.old) == 1 and one.old[0].is_name and not _is_of_object(one, change)


def _binds(function: str, name: str) -> bool:
    parameters = _PARAMETERS.match(function)
    if parameters is not None and re.search(rf"\b{re.escape(name)}\b", parameters[1]):
        return True
    return re.search(_BINDS.format(re.escape(name)), function) is not None


def _is_of_object(one: TokenReplacement, change: Change) -> bool:
    return one.index > 0 and change.old[one.index - 1].text == "."


def _occurrences(one: TokenReplacement, text: str, everywhere: Sequence[Token], change: Change) -> Iterator[_Span]:
    wanted = [token.text for token in one.old]
    of_object = _is_of_object(one, change)
    for at in range(len(everywhere) - len(wanted) + 1):
        if everywhere[at].text != wanted[0] or [token.text for token in everywhere[at : at + len(wanted)]] != wanted:
            continue
        if one.old[0].is_literal:
            fits = not _is_defining(one, text[text.rfind("\n", 0, everywhere[at].start) + 1 : everywhere[at].start])
        else:
            fits = (at > 0 and everywhere[at - 1].text == ".") == of_object
        if fits:
            yield everywhere[at].start, everywhere[at + len(wanted) - 1].end


def _is_defining(one: TokenReplacement, left: str) -> bool:
    """Whether a literal is what the name that took its place stands for, as in `LIMIT = 10` or `LIMIT: int = 10`."""
    name, before = one.new[-1].text, [token.text for token in tokens(left)]
    return name in before and before[-1] in ("=", name)
