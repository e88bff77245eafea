"""Tags of markup, read without a grammar: HTML, XML, and components' templates in any language."""

from __future__ import annotations

import re

_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|(?<![\w)\]])<(?P<open>[A-Za-z][\w.:-]*|(?=>))(?:[^<>\"'{]|\"[^\"]*\"|'[^']*'|\{[^{}]*\}|(?<==)>)*?(?P<self>/?)>"
    r"|</(?P<close>[A-Za-z][\w.:-]*|(?=\s*>))\s*(?P<end>>?)",
    re.DOTALL,
)
_NEVER_CLOSED = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
}  # fmt: skip


def closes_nothing(text: str, is_cut: bool) -> int:
    """How many end tags in a text close no element that is open there, or are no whole tags.

    With `is_cut` elements may have been opened before it.
    """
    stack: list[str] = []
    wrong = 0
    for match in _TAG.finditer(text):
        name, closed = match["open"], match["close"]
        if closed is not None:
            wrong += not match["end"] or (closed not in stack and not (is_cut and not stack))
            while closed in stack and stack.pop() != closed:
                pass
        elif name is not None and not match["self"] and name.lower() not in _NEVER_CLOSED:
            stack.append(name)
    return wrong
