"""The ways in which a fill can be fitted between the text around it, the best first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsp_server.context import Context
from lsp_server.repetition import has_word, overlaps, repeats_above

_CLOSING_RUN = re.compile(r"[)\]}\"'`]+")  # what editors type by themselves
_ONLY_CLOSERS = re.compile(r"[)\]}\"'`;,\s]*")
_DANGLING = re.compile(r"[\s,.+\-*/%=&|<>!?:^~(\[{\\]+$")
_WORD = re.compile(r"\w")
_NEEDS_SPACE = re.compile(r"[\w(\[{\"'`]")


@dataclass(frozen=True)
class Fitted:
    """`text` in place of the first `swallowed` characters after the cursor."""

    text: str
    swallowed: int = 0


def fittings(context: Context, fill: str) -> Iterator[Fitted]:
    """The whole fill in every way that it can be fitted, and then shorter and shorter beginnings of it."""
    while fill.strip():
        yield from _fitted(context, fill)
        shorter = _DANGLING.sub("", fill)
        fill = shorter if shorter != fill else fill.rpartition("\n")[0]


def repeats_line_above(context: Context, fitted: Fitted) -> bool:
    """Whether the cursor's line would be the one above it once more."""
    first, newline, _ = fitted.text.partition("\n")
    rest = "" if newline else context.line_suffix[fitted.swallowed :]
    return bool(first) and repeats_above(_lines_above(context), context.line_prefix + first + rest)


def says_next_line(context: Context, fitted: Fitted) -> bool:
    """Whether one of the lines that it makes would be the next line."""
    whole = context.line_prefix + fitted.text + context.line_suffix[fitted.swallowed :]
    return any(_says(line, _next_line(context)) for line in whole.split("\n"))


def _fitted(context: Context, fill: str) -> Iterator[Fitted]:
    """Without what the suffix begins with; swallowing what an editor closed; up to where it closes something again."""
    fill = _without_next_line(context, fill)
    suffix = context.gap.suffix
    lengths = overlaps(fill, suffix)
    if lengths and _WORD.search(suffix[: lengths[0]]):
        yield Fitted(_trimmed(context, fill[: -lengths[0]]))  # words: to say them twice is never meant
        return
    # Signs: brackets tell; where they do not, to say the suffix's twice is the commoner mistake.
    for length in sorted((*lengths, 0), key=lambda length: sum(context.brackets.unmatched(fill[: len(fill) - length]))):
        yield Fitted(_trimmed(context, fill[: len(fill) - length]))
    yield from _swallowing(context, fill)
    for offset in reversed(context.brackets.wrong_closers(fill)):
        yield Fitted(_trimmed(context, fill[:offset]))


def _swallowing(context: Context, fill: str) -> Iterator[Fitted]:
    """Only what an editor may have typed by itself: closing brackets and quotes, with no more text after them."""
    run = _CLOSING_RUN.match(context.line_suffix)
    if run is None or not _ONLY_CLOSERS.fullmatch(context.line_suffix):
        return
    for count in range(1, len(run[0]) + 1):
        if _has_in_order(fill, run[0][:count]):
            yield Fitted(fill.rstrip(), count)


def _without_next_line(context: Context, fill: str) -> str:
    """Up to where it says the next line, or the line that it has just said."""
    above, next_line = _lines_above(context), _next_line(context)
    lines = fill.split("\n")
    for index, line in enumerate(lines):
        full = context.line_prefix + line if index == 0 else line
        if len(lines) == 1:
            full += context.line_suffix
        breaks_off = index == len(lines) - 1 and _begins(full, next_line)
        if _says(full, next_line) or (index > 0 and (breaks_off or repeats_above(above, full))):
            return "\n".join(lines[:index])
        if full.strip():
            above = [*above, full]
    return fill


def _says(line: str, next_line: str) -> bool:
    return line.rstrip() == next_line and has_word(line)


def _begins(line: str, next_line: str) -> bool:
    """Whether a fill was broken off in the middle of the next line."""
    return len(line.strip()) > 1 and next_line.lstrip().startswith(line.strip())


def _trimmed(context: Context, text: str) -> str:
    """Without white space at the ends of lines, but for the space that what follows on the cursor's line needs."""
    *lines, last = text.split("\n")
    if not _NEEDS_SPACE.match(context.line_suffix):
        last = last.rstrip()
    return "\n".join([*(line.rstrip() for line in lines), last])


def _has_in_order(text: str, characters: str) -> bool:
    rest = iter(text)
    return all(character in rest for character in characters)


def _lines_above(context: Context) -> list[str]:
    """The last two lines with text above the cursor's."""
    lines = context.gap.prefix.split("\n")[:-1]
    return [line for line in lines[-10:] if line.strip()][-2:]


def _next_line(context: Context) -> str:
    """The first line with text below the cursor's; "" where there is none."""
    return next((line.rstrip() for line in context.gap.suffix.split("\n")[1:] if line.strip()), "")
