"""Next edits as the continuation of a diff: which lines of a window a base would change too, and into what.

A base that has read commits knows how a unified diff goes on. Behind the user's hunks the window stands as a hunk of
its own, and at the beginning of each of its lines the base says whether the line stays, goes, or another one comes
before it. Where a change is likely the base writes it, and the change is scored against the lines as they are: with the
user's hunks, and as if nothing had been changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch

from lacuna.engine.diff_api import DiffQuestion, LineChange
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits import unfinished_line
from lacuna.engine.families.gap.edits.diff_prompt import DiffPrompt
from lacuna.engine.families.gap.edits.diff_reader import DiffReader
from lacuna.engine.families.gap.edits.diff_text import COMES, GOES
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
        """What becomes of a line; None where it stays as it is, is only taken away, or no end of it was found."""
        head = [*window.made, *(token for line in window.lines[: pick.line] for token in line)]
        end = pick.line + (self._going(head, window, pick.line, trace) if pick.sign == GOES else 0)
        gone = window.text[pick.line : end]
        ids = [*head, *(token for line in gone for token in self._tokenizer.encode(GOES + line))]
        come = self._coming(ids, window.text[pick.line], at_least=pick.sign == COMES, trace=trace)
        if not come or come == list(gone):
            return None
        scored = self._scored(window, pick.line, end, come, trace)
        return None if scored is None else LineChange(pick.line, end, tuple(come), *scored)

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

    def _coming(self, ids: list[int], like: str, at_least: bool, trace: RequestTrace) -> list[str] | None:
        """The lines that come, one after the other as long as another one is the likeliest; None where one does not
        end, or comes again: a small base that has nothing to say repeats itself."""
        come: list[str] = []
        while len(come) < MOST_LINES:
            odds = self._reader.odds_behind(ids, trace)
            if odds[COMES] < max(odds[GOES], 0.0) and (come or not at_least):
                break
            line = self._reader.line(ids, like, trace)
            if line is None or line in come:
                return None
            come.append(line)
            ids = [*ids, *self._tokenizer.encode(COMES + line)]
        return come

    def _scored(
        self, window: DiffPrompt, first: int, end: int, come: Sequence[str], trace: RequestTrace
    ) -> tuple[float, float] | None:
        """Log-odds of a change against the lines as they are, and how much of that the user's hunks have made; None
        where it gains too little, or is too long to be scored."""
        encode, behind = self._tokenizer.encode, window.behind(end)
        gone = [token for line in window.text[first:end] for token in encode(GOES + line)]
        changed = [*gone, *(token for line in come for token in encode(COMES + line)), *behind]
        same = [*(token for line in window.lines[first:end] for token in line), *behind]
        before = [token for line in window.lines[:first] for token in line]
        reader = self._reader
        gain = reader.gain(reader.made, [*window.made, *before], changed, same, trace)
        if gain is None or gain < window.least_gain:
            return None
        unmade = reader.gain(reader.unmade, [*window.unmade, *before], changed, same, trace)
        return None if unmade is None else (gain, gain - unmade)
