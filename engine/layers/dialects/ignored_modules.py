"""Lists of modules that were left as they are: names, regular expressions or globs, matched in bounded time."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from itertools import product

from lacuna.engine.untrusted.wildmatch import BadPattern, machine

CLASS = "Linear"  # every projection is one; a list may name classes too
MOST_STEPS = 5_000_000  # characters that machines read for one list: 1.5 s
ALTERNATIVES = 64  # that one expression may stand for
_NUMBER = re.compile(r"\d+")
_TOKEN = re.compile(r"\\(?P<escaped>[^\w\s])|(?P<any>\.[*+]?)|\((?:\?:)?(?P<choice>[\w|.\\-]+)\)|(?P<plain>[\w-])")

logger = logging.getLogger(__name__)


def matching(entries: Iterable[str], modules: Mapping[str, tuple[str, ...]], is_glob: bool) -> tuple[str, str] | None:
    """An entry that names one of the modules, and the module; None where none does. `modules` has all spellings of
    each.

    Globs match whole names. Otherwise an entry is a name, the class, or a regular expression after `re:`, which
    matches from the start on. Expressions of more than dots, stars and choices are not checked, and that is logged:
    those of `re` may take any time.
    """
    spelled = {spelling: module for module, spellings in modules.items() for spelling in spellings}
    # One name of all that differ in numbers alone: a pattern without a number matches all of them or none.
    kinds = {_NUMBER.sub("0", spelling): module for spelling, module in spelled.items()}
    steps, unchecked = 0, 0
    for entry in entries:
        patterns = _patterns(entry, is_glob)
        if not patterns:
            if patterns is None:
                unchecked += 1
            elif entry in spelled or (entry == CLASS and spelled):
                return entry, spelled.get(entry, next(iter(spelled.values())))
            continue
        names = spelled if any(_NUMBER.search(pattern) for pattern in patterns) else kinds
        steps += len(patterns) * sum(map(len, names))
        if steps > MOST_STEPS:
            unchecked += 1
            continue
        for pattern in patterns:
            found = _first(pattern, names)
            if found is not None:
                return entry, found
    if unchecked:
        logger.warning("%d entries of the list of modules left as they are were not checked", unchecked)
    return None


def _patterns(entry: str, is_glob: bool) -> list[str] | None:
    """The entry as wildmatch patterns: none for a plain name, None for what cannot be checked."""
    if is_glob:
        return [entry] if set(entry) & set("*?[") else []
    return _from_regex(entry.removeprefix("re:")) if entry.startswith("re:") else []


def _from_regex(expression: str) -> list[str] | None:
    """Patterns that match what an expression matches from the start on."""
    ends = expression.endswith("$")
    rest = expression.removeprefix("^").removesuffix("$")
    pieces: list[list[str]] = []
    while rest:
        token = _TOKEN.match(rest)
        if token is None or (rest[token.end() : token.end() + 1] in tuple("*+?{") and rest[token.end() :]):
            return None
        pieces.append(_alternatives(token))
        rest = rest[token.end() :]
    count = 1
    for piece in pieces:
        count *= len(piece)
        if count > ALTERNATIVES:
            return None
    return [re.sub(r"\*+", "*", "".join(chosen) + ("" if ends else "*")) for chosen in product(*pieces)]


def _alternatives(token: re.Match[str]) -> list[str]:
    if token["any"]:
        return [{".": "?", ".*": "*", ".+": "?*"}[token["any"]]]
    if token["choice"]:
        return [choice.replace("\\", "") for choice in token["choice"].split("|")]
    return [f"\\{token['escaped']}" if token["escaped"] else token["plain"]]


def _first(pattern: str, names: Mapping[str, str]) -> str | None:
    try:
        built = machine(pattern.encode())
    except BadPattern:
        return None
    return next((module for name, module in names.items() if built.matches(name.encode())), None)
