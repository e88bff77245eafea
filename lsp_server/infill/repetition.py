"""Repetition: a fill that says again what stands around it, or that says one thing over and over."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lacuna.lsp_server.infill.line_form import form, has_word
from lacuna.lsp_server.lexing.indentation import leading

_TOKEN = re.compile(r"\w+|([^\w\s])\1*")  # a ruler of dashes is one token
_RUN = re.compile(r"(\w{1,8}?|[^\w\s]{1,8}?)\1{3,}")  # a unit of a word or a ruler, as short as it can be
_SIGNS = re.compile(r"[\W_]+")
_HEXADECIMAL = re.compile(r"0[xX][\da-fA-F_]*$")
_ENDS_DIRECTIVE = re.compile(r"#\s*end(?:if|region)\b")
_MASKS = ("x", "X", "f", "F")
_MAX_RULER = 120  # signs: as wide as the widest lines of style guides
_MAX_DIGITS = 64  # as many as SHA-256 has
_MAX_LETTERS = 11
_MAX_PERIOD = 8  # tokens
_MAX_REPEATS = 4  # of something with letters in it
_MAX_SIGN_REPEATS = 10  # of numbers and signs: rows of zeros are written by people, too


def overlaps(fill: str, suffix: str) -> list[int]:
    """The lengths, longest first, of the ends of `fill` that are also the beginning of `suffix`."""
    longest = min(len(fill), len(suffix))
    return [length for length in range(longest, 0, -1) if fill.endswith(suffix[:length])]


def loops(text: str) -> bool:
    """Whether `text` ends in a few tokens over and over, or has a few characters over and over in one word or ruler.

    Small models do so when they have lost the thread.
    """
    return _loops_in_word(text) or _loops_in_tokens(text)


def _loops_in_word(text: str) -> bool:
    return any(len(run[0]) > _longest(text[: run.start()], run[1]) for run in _RUN.finditer(text))


def _longest(before: str, unit: str) -> int:
    """How many characters people make of a unit over and over: rulers, zeros, masks, bit patterns."""
    if not any(map(_has_letter, unit)):
        return _MAX_RULER if _SIGNS.fullmatch(unit) else _MAX_DIGITS
    if unit in _MASKS or _HEXADECIMAL.search(before):
        return _MAX_DIGITS
    return _MAX_LETTERS if len(unit) == 1 else _MAX_REPEATS * len(unit) - 1


def _loops_in_tokens(text: str) -> bool:
    tokens = [match[0] for match in _TOKEN.finditer(text)]
    for period in range(1, min(_MAX_PERIOD, len(tokens) // 2) + 1):
        unit = tokens[-period:]
        repeats = 1
        while tokens[-period * (repeats + 1) : -period * repeats] == unit:
            repeats += 1
        if repeats >= (_MAX_REPEATS if any(map(_has_letter, unit)) else _MAX_SIGN_REPEATS):
            return True
    return False


def repeats_above(above: Sequence[str], line: str, language: str) -> bool:
    """Whether `line` is the one above it once more: with words at once, signs alone (`},` or `0, 0`) the third time."""
    last = [_form(other, language) for other in above if other.strip()][-2:]
    said = _form(line, language)
    is_said = has_word(said[1]) and not _ENDS_DIRECTIVE.match(said[1])  # they end one inside the other
    return bool(last) and last[-1] == said and (is_said or last.count(said) == 2)


def _form(line: str, language: str) -> tuple[str, str]:
    return leading(line), form(line, language)


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)
