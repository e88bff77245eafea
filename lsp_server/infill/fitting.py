"""The ways in which a fill can be fitted between the text around it, the best first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lacuna.lsp_server.infill.following_lines import Following, Role, repeated
from lacuna.lsp_server.infill.line_form import form, has_word
from lacuna.lsp_server.infill.question import Question
from lacuna.lsp_server.infill.repetition import overlaps, repeats_above

_CLOSING_RUN = re.compile(r"[)\]}\"'`]+")  # what editors type by themselves
_TAG_ENDS = re.compile(r"/?></")  # as editors close a tag that is just being written
_ENDS_TAG = re.compile(r"(?:[^<>\"'{]|\"[^\"]*\"|'[^']*'|\{[^{}]*\})*+(?<![=-])>")  # `>` alone, or behind attributes
_ONLY_CLOSERS = re.compile(r"[)\]}\"'`;,\s]*")
_DANGLING = re.compile(r"[\s,.+\-*/%=&|<>!?:^~(\[{\\]+$")
_WORD = re.compile(r"\w")
_NEEDS_SPACE = re.compile(r"[\w(\[{\"'`]")


@dataclass(frozen=True)
class Fitted:
    """`text` in place of the first `replaced` characters after the cursor."""

    text: str
    replaced: int = 0


def fittings(question: Question, fill: str, following: Sequence[Following]) -> Iterator[Fitted]:
    """The whole fill in every way that it can be fitted, and then shorter and shorter beginnings of it."""
    while fill.strip():
        yield from _fitted(question, fill, following)
        shorter = _DANGLING.sub("", fill)
        fill = shorter if shorter != fill else fill.rpartition("\n")[0]


def lines_above(question: Question) -> list[str]:
    """The last two lines with text above the cursor's."""
    lines = question.gap.prefix.split("\n")[:-1]
    return [line for line in lines[-10:] if line.strip()][-2:]


def _fitted(question: Question, fill: str, following: Sequence[Following]) -> Iterator[Fitted]:
    """Without what the suffix begins with; replacing what an editor closed; up to where it closes something again."""
    fill = _without_lines_below(question, fill, following)
    if _in_tag(question, fill):
        yield from _closing_tag(fill)
        return
    suffix = question.gap.suffix
    lengths = overlaps(fill, suffix)
    if lengths and _WORD.search(suffix[: lengths[0]]):
        yield Fitted(_trimmed(question, fill[: -lengths[0]]))  # words: to say them twice is never meant
        return
    # Signs: brackets tell; where they do not, to say the suffix's twice is the commoner mistake.
    for length in sorted(
        (*lengths, 0), key=lambda length: sum(question.brackets.unmatched(fill[: len(fill) - length]))
    ):
        yield Fitted(_trimmed(question, fill[: len(fill) - length]))
    yield from _replacing(question, fill)
    for offset in reversed(question.brackets.wrong_closers(fill)):
        yield Fitted(_trimmed(question, fill[:offset]))


def _replacing(question: Question, fill: str) -> Iterator[Fitted]:
    """Only what an editor may have typed by itself: closing brackets and quotes, with no more text after them."""
    run = _CLOSING_RUN.match(question.line_suffix)
    if run is None or not _ONLY_CLOSERS.fullmatch(question.line_suffix):
        return
    for count in range(1, len(run[0]) + 1):
        if _has_in_order(fill, run[0][:count]):
            yield Fitted(fill.rstrip(), count)


def _in_tag(question: Question, fill: str) -> bool:
    """Whether the cursor stands before the end of a start tag that the fill ends, too: `<a|></a>` and `>b`."""
    return _TAG_ENDS.match(question.line_suffix) is not None and _ENDS_TAG.match(fill) is not None


def _closing_tag(fill: str) -> Iterator[Fitted]:
    """With the editor's `>` in place of its own, up to an end tag that stands there already."""
    yield Fitted(fill.rstrip(), 1)
    for match in reversed(list(re.finditer("</", fill))):
        yield Fitted(fill[: match.start()].rstrip(), 1)


def _without_lines_below(question: Question, fill: str, following: Sequence[Following]) -> str:
    """Up to where a line of it says one below, or the line that it has just said."""
    above, language = lines_above(question), question.gap.language
    lines = fill.split("\n")
    for index, line in enumerate(lines):
        full = question.line_prefix + line if index == 0 else line
        if len(lines) == 1:
            full += question.line_suffix
        breaks_off = index == len(lines) - 1 and _begins(full, following, language)
        is_said = _says_below(question, full, following, is_first=index == 0)
        if is_said or (index > 0 and (breaks_off or repeats_above(above, full, language))):
            return "\n".join(lines[:index])
        if full.strip():
            above = [*above, full]
    return fill


def _says_below(question: Question, line: str, following: Sequence[Following], is_first: bool) -> bool:
    """Closers and signs are left to the brackets, which tell whether they are needed; lines farther below may recur."""
    below = repeated(line, following, question.gap.language)
    if below is None or below.role is Role.CLOSER or not has_word(below.form):
        return False
    return is_first or below.number == 0


def _begins(line: str, following: Sequence[Following], language: str) -> bool:
    """Whether a fill was broken off in the middle of the next line."""
    said = form(line, language)
    return len(said) > 1 and bool(following) and following[0].form.startswith(said)


def _trimmed(question: Question, text: str) -> str:
    """Without white space at the ends of lines, but for the space that what follows on the cursor's line needs."""
    *lines, last = text.split("\n")
    if not _NEEDS_SPACE.match(question.line_suffix):
        last = last.rstrip()
    return "\n".join([*(line.rstrip() for line in lines), last])


def _has_in_order(text: str, characters: str) -> bool:
    rest = iter(text)
    return all(character in rest for character in characters)
