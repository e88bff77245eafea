"""Repetition: a fill that says again what stands around it, or that says one thing over and over."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from lacuna.lsp_server.infill.line_form import form, has_word
from lacuna.lsp_server.lexing.indentation import leading

_TOKEN = re.compile(r"\w+|([^\w\s])\1*")  # a ruler of dashes is one token
_RUN = re.compile(r"(\w{1,16}?|[^\w\s]{1,8}?)\1{3,}")  # a unit of a word or a ruler, as short as it can be
_OPENERS = re.compile(r"[(\[{]{12,}")
_SAME_TARGET = re.compile(r"([\w$.\[\]]+) *= *[\d.]+;?(?:\s*\n\s*\1 *= *[\d.]+;?(?![\w.])){2,}")
_SIGNS = re.compile(r"[\W_]+")
_HEXADECIMAL = re.compile(r"0[xX][\da-fA-F_]*$")
_ENDS_DIRECTIVE = re.compile(r"#\s*end(?:if|region)\b")
_DIGITS = tuple("123456789")
_FIRST_PICTURE = "\N{BLACK SUN WITH RAYS}"  # of the signs that are no rulers, but emojis and the like
_MASKS = ("x", "X", "f", "F")
_MAX_RULER = 120  # signs: as wide as the widest lines of style guides
_MAX_DIGITS = 64  # as many as SHA-256 has
_MAX_LETTERS = 11
_MAX_PERIOD = 8  # tokens
_MAX_REPEATS = 4  # of something with letters in it
_MAX_LISTED = 6  # of items of a list that are not at the end
_MAX_PAIRS = 8  # of `f(` or `int,`
_MAX_ZEROS = 30  # of a number
_MAX_SIGN_REPEATS = 10  # of numbers and signs: rows of zeros are written by people, too


def overlaps(fill: str, suffix: str) -> list[int]:
    """The lengths, longest first, of the ends of `fill` that are also the beginning of `suffix`."""
    longest = min(len(fill), len(suffix))
    return [length for length in range(longest, 0, -1) if fill.endswith(suffix[:length])]


def loops(text: str) -> bool:
    """Whether `text` has a few tokens or lines over and over, or a few characters over and over in one word or ruler.

    Small models do so when they have lost the thread.
    """
    return _loops_in_word(text) or _loops_in_tokens(text) or _loops_in_lines(text)


def _loops_in_word(text: str) -> bool:
    if _OPENERS.search(text):
        return True
    return any(len(run[0]) > _longest(text[: run.start()], run[1]) for run in _RUN.finditer(text))


def _longest(before: str, unit: str) -> int:
    """How many characters people make of a unit over and over: rulers, zeros, masks, bit patterns."""
    if not any(map(_has_letter, unit)):
        if _SIGNS.fullmatch(unit):
            return _MAX_LETTERS * len(unit) if unit[0] >= _FIRST_PICTURE else _MAX_RULER
        return _MAX_ZEROS if unit == "0" and before[-1:] in _DIGITS else _MAX_DIGITS
    if unit in _MASKS or _HEXADECIMAL.search(before):
        return _MAX_DIGITS
    return _MAX_LETTERS if len(unit) == 1 else _MAX_REPEATS * len(unit) - 1


def _loops_in_tokens(text: str) -> bool:
    """At the end, closers aside, sooner than before something else."""
    tokens = [match[0] for match in _TOKEN.finditer(text)]
    if _ends_in_loop(tokens) or _ends_in_loop(tokens[: _without_closers(tokens)]):
        return True
    for period in range(1, min(_MAX_PERIOD, len(tokens) // _MAX_REPEATS) + 1):
        run = 0
        for index in range(period, len(tokens)):
            run = run + 1 if tokens[index] == tokens[index - period] else 0
            if run >= period * (_MAX_REPEATS - 1) and run // period + 1 >= _most(tokens[index - period : index]):
                return True
    return False


def _most(unit: Sequence[str]) -> float:
    """How many times in a row a unit of tokens is a loop though something else follows."""
    if not has_word("".join(unit)):
        return math.inf
    if len(unit) < 3:
        return _MAX_PAIRS
    return _MAX_LISTED if "," in unit else _MAX_REPEATS


def _without_closers(tokens: Sequence[str]) -> int:
    """The end of what stands before the last closers."""
    end = len(tokens)
    while end and tokens[end - 1][0] in ")]};":
        end -= 1
    return end


def _ends_in_loop(tokens: Sequence[str]) -> bool:
    for period in range(1, min(_MAX_PERIOD, len(tokens) // 2) + 1):
        unit = tokens[len(tokens) - period :]
        repeats = 1
        while tokens[len(tokens) - period * (repeats + 1) : len(tokens) - period * repeats] == unit:
            repeats += 1
        if repeats >= (_MAX_REPEATS if any(map(_has_letter, unit)) else _MAX_SIGN_REPEATS):
            return True
    return False


def _loops_in_lines(text: str) -> bool:
    """Whether two or three lines follow each other over and over, or one variable is given one number after another."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for period in (2, 3):
        unit = lines[-period:]
        if (
            len(lines) >= _MAX_REPEATS * period
            and len(set(unit)) > 1
            and lines[-_MAX_REPEATS * period :] == unit * _MAX_REPEATS
        ):
            return True
    return _SAME_TARGET.search(text) is not None


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
