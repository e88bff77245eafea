"""Next edits as the continuation of a diff: which lines of a window a base would change too, and into what.

A base that has read commits knows how a unified diff goes on. Behind the user's hunks the window stands as a hunk of
its own, and at the beginning of each of its lines the base says whether the line stays, goes, or another one comes
before it. Where a change is likely the base writes it, and the change is scored against the lines as they are: with the
user's hunks, and as if nothing had been changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch

from lacuna.engine.diff_api import DiffQuestion, LineChange
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits import unfinished_line
from lacuna.engine.families.gap.edits.diff_prompt import DiffPrompt
from lacuna.engine.families.gap.edits.diff_reader import DiffReader
from lacuna.engine.families.shared.diff_text import COMES, GOES
from lacuna.engine.request_trace import OutOfTime, RequestTrace
from lacuna.engine.text.byte_bpe import Tokenizer

CONTEXTS = 2
SECONDS = 3.0  # for one window
PICKS = 3  # lines of a window that are changed, to see what comes of it
LEAST_ODDS = -3.0  # nats, that a line of these changes
RELATED = 2.0  # nats, added to the odds of a line that says what the last hunk touches
MOST_LINES = 6  # that go, or come, at once


@dataclass(frozen=True)
class Pick:
    """A line of the window, and whether it goes or another one comes before it."""

    line: int
    sign: str
    odds: float


class DiffContinuation:
    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._reader = DiffReader(denoiser, tokenizer)

    @torch.inference_mode()
    def changes(self, question: DiffQuestion, check: Callable[[], None], seconds: float) -> tuple[LineChange, ...]:
        """Changes of a window's lines, the most preferred first; those that were found within `seconds`. `check` runs
        between all pieces of work and may raise."""
        trace, found = RequestTrace(check, seconds=seconds), list[LineChange]()
        window = DiffPrompt.of(question, self._tokenizer)
        if window is None or not window.lines:
            return ()
        with suppress(OutOfTime):
            for change in self._changes(question, window, trace):
                if change not in found:
                    found.append(change)
                if found[-1].preference >= question.enough:
                    break
        return tuple(sorted(found, key=lambda change: -change.preference))

    def _changes(self, question: DiffQuestion, window: DiffPrompt, trace: RequestTrace) -> Iterator[LineChange]:
        if question.unfinished is not None:
            yield from unfinished_line.finished(self._reader, self._tokenizer, question.unfinished, window, trace)
            return
        for pick in self._picks(window, trace):
            change = self._change(window, pick, trace)
            if change is not None:
                yield change

    def _picks(self, window: DiffPrompt, trace: RequestTrace) -> list[Pick]:
        """The lines that are the most likely to change."""
        picks = [
            Pick(line, sign, odds + RELATED * (line in window.related))
            for line, by_sign in enumerate(self._reader.odds_at(window.made, window.lines, trace))
            for sign, odds in by_sign.items()
        ]
        return sorted((pick for pick in picks if pick.odds >= LEAST_ODDS), key=lambda pick: -pick.odds)[:PICKS]

    def _change(self, window: DiffPrompt, pick: Pick, trace: RequestTrace) -> LineChange | None:
        """What becomes of a line; None where it stays as it is, is only taken away, no end of it was found, or it gains
        too little."""
        head = [*window.made, *(token for line in window.lines[: pick.line] for token in line)]
        end = pick.line + (self._going(head, window, pick.line, trace) if pick.sign == GOES else 0)
        gone = [token for line in window.text[pick.line : end] for token in self._tokenizer.encode(GOES + line)]
        if pick.sign == GOES and not _comes(self._reader.odds_behind([*head, *gone], trace)):
            return None
        written = self._coming(window, head, gone, slice(pick.line, end), trace)
        if written is None:
            return None
        come, changed, gain = written
        if tuple(come) == window.text[pick.line : end] or gain < window.least_gain:
            return None
        same = [token for line in window.lines[pick.line : end] for token in line]
        before = [*window.unmade, *head[len(window.made) :]]
        unmade = self._reader.compared(self._reader.unmade, before, changed, same, window.behind(end), trace)
        return LineChange(pick.line, end, tuple(come), gain, gain - unmade.gain) if unmade else None

    def _going(self, head: Sequence[int], window: DiffPrompt, first: int, trace: RequestTrace) -> int:
        """How many lines go from one on: those that follow it as long as that is the likeliest."""
        ids, end = list(head), first
        while end < min(first + MOST_LINES, len(window.text)):
            ids += self._tokenizer.encode(GOES + window.text[end])
            end += 1
            odds = self._reader.odds_behind(ids, trace)
            if odds[GOES] < max(odds[COMES], 0.0):
                break
        return end - first

    def _coming(
        self, window: DiffPrompt, head: list[int], gone: list[int], lines: slice, trace: RequestTrace
    ) -> tuple[list[str], list[int], float] | None:
        """The lines that come in the place of others, one after the other as long as another one is the likeliest; the
        whole change in tokens, and its gain. None where one does not end, where one comes again (a small base that has
        nothing to say repeats itself), and where they are too long to be scored."""
        come, changed = list[str](), gone
        same = [token for line in window.lines[lines] for token in line]
        while True:
            line = self._reader.line([*head, *changed], window.text[lines.start], trace)
            if line is None or line in come:
                return None
            come.append(line)
            changed = [*changed, *self._tokenizer.encode(COMES + line)]
            # One pass scores the change, and says whether another line comes.
            made = self._reader.compared(self._reader.made, head, changed, same, window.behind(lines.stop), trace)
            if made is None:
                return None
            if len(come) == MOST_LINES or not _comes(made.odds):
                return come, changed, made.gain


def _comes(odds: Mapping[str, float]) -> bool:
    """Whether the likeliest is that another line comes."""
    return odds[COMES] >= max(odds[GOES], 0.0)
