"""What stands in a list of parameters: which of it takes an argument of a call, in which order, and by what name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SCRIPT = ("javascript", "typescript", "tsx")
_TYPE_FIRST = ("c", "cpp", "csharp", "java")
# The object that a method is called on, which calls do not list; always the first.
_RECEIVERS = {
    "python": r"(self|cls)\b",
    "rust": r"(&\s*('\w+\s+)?)?(mut\s+)?self\b",
    "typescript": r"this\s*:",
    "tsx": r"this\s*:",
    "java": r".*\bthis$",
    "csharp": r"this\s",
    "cpp": r"this\s",
}
_REST = {
    "python": r"\*",
    "go": r"([^\W\d]\w*\s+)?\.\.\.",
    "csharp": r"params\b",
    "java": r".*\.\.\.",
    "cpp": r".*\.\.\.",
}
_REST_SIGN = r"\.\.\."  # where a language has none of its own
_DEFAULT = re.compile(r"(?<![=!<>])=(?![=>])")
_OPTIONAL = re.compile(r"[\w$]+\s*\?\s*(:|$)")
_WORDS_BEFORE = re.compile(
    r"(@[\w.]+(\([^)]*\))?\s*"  # an annotation or decorator
    r"|(const|final|in|out|override|private|protected|public|readonly|ref|register|scoped|volatile)\s+"
    r"|(class|enum|params|struct|union)\s+)+"
)
_PRIMITIVES = frozenset(
    {"auto", "bool", "char", "double", "float", "int", "long", "short", "signed", "unsigned", "void"}
)
_GO_TYPES = frozenset({"chan", "func", "interface", "map", "struct"})
_NAMES = {
    "python": r"\**\s*([^\W\d]\w*)",
    "rust": r"(?:mut\s+|ref\s+)*([^\W\d]\w*)\s*:(?!:)",
    "go": r"([^\W\d]\w*)\s+\S",
    **dict.fromkeys(_SCRIPT, r"(?:\.\.\.\s*)?([^\W\d][\w$]*)\s*\??\s*(?:$|[:=])"),
}
_LAST_NAME = re.compile(r".*[\w>\]*&.]\s*[\s*&]\s*([^\W\d]\w*)\s*(?:\[[^]]*\]\s*)*$", re.DOTALL)
_POINTED = re.compile(r"[^(]*\(\s*[*&^]\s*(\w+)\s*\)")  # the name of a pointer to a function


@dataclass(frozen=True)
class Parameter:
    """One that takes arguments. `name` is "" where it has none of its own, as a pattern or a type alone."""

    index: int  # in its list
    text: str
    name: str
    is_rest: bool = False  # takes any number of them
    is_optional: bool = False  # takes none, too
    only_by_name: bool = False
    only_by_place: bool = False

    @property
    def key(self) -> str:
        """What it is known by: in Go's `a, b int` the first one's type stands behind the second."""
        return self.name or self.text


def receivers(items: Sequence[str], language: str) -> int:
    """1 where the first item of a definition's list is the object that a method is called on, else 0."""
    known = _RECEIVERS.get(language)
    return 1 if known and items and re.match(known, items[0], re.DOTALL) else 0


def parameters(items: Sequence[str], language: str) -> tuple[Parameter, ...]:
    """The parameters in a definition's list. Receivers and what only divides the list, as Python's `*` and `/`, are
    none, and neither is C's `void`."""
    first = receivers(items, language)
    if language in ("c", "cpp") and list(items[first:]) == ["void"]:
        return ()
    return tuple(_of(items, first, language))


def same_parameters(items: Sequence[str], others: Sequence[str], language: str) -> bool:
    """Whether two definitions have the same list, but for receivers, defaults and how it is laid out: an overload has
    another one."""
    one, other = (list(_plain(some[receivers(some, language) :])) for some in (items, others))
    return one == other


def _of(items: Sequence[str], first: int, language: str) -> Iterator[Parameter]:
    is_python, grouped = language == "python", language == "go" and any(_is_typed(item) for item in items)
    by_place = items.index("/") if is_python and "/" in items else 0
    by_name = False
    for index, item in enumerate(items[first:], first):
        if not is_python or item not in ("*", "/"):
            is_rest = re.match(_REST.get(language, _REST_SIGN), item, re.DOTALL) is not None
            name = item if grouped and item.isidentifier() else _name(item, language)
            optional = is_rest or _DEFAULT.search(item) is not None
            optional = optional or (language in _SCRIPT and _OPTIONAL.match(_bare(item)) is not None)
            yield Parameter(index, item, name, is_rest, optional, by_name and not is_rest, index < by_place)
        by_name = by_name or (is_python and item.startswith("*"))


def _is_typed(item: str) -> bool:
    """Whether an item of Go is a name with its type, and not one alone."""
    match = re.match(_NAMES["go"], item)
    return match is not None and match[1] not in _GO_TYPES


def _name(item: str, language: str) -> str:
    bare = _bare(item) if language in (*_SCRIPT, *_TYPE_FIRST) else item
    if language in _TYPE_FIRST:
        match = _POINTED.match(bare) or _LAST_NAME.match(_DEFAULT.split(bare)[0].rstrip())
    else:
        match = re.match(_NAMES.get(language, r"([^\W\d]\w*)"), bare)
    if match is None or match[1] in _PRIMITIVES or (language == "go" and match[1] in _GO_TYPES):
        return ""
    return match[1]


def _bare(item: str) -> str:
    """Without modifiers and annotations."""
    match = _WORDS_BEFORE.match(item)
    return item[match.end() :] if match else item


def _plain(items: Sequence[str]) -> Iterator[str]:
    """Without defaults and white space."""
    for item in items:
        yield re.sub(r"\s+", "", _DEFAULT.split(item)[0])
