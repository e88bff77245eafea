"""Next edits by an adapter that was taught with real ones: a window is written anew, with its old text as the draft.

(1) The user's hunks are read, and stay read. (2) One pass reads the window and verifies its old text as what it will
be: where every token is the likeliest one nothing changes. (3) From the first token that is not, the model writes on,
with drafts from the old text and the hunks: one pass for every draft that turns out wrong. This is speculative decoding
(arXiv 2211.17192) with what stands there as the draft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import exp, inf, log

import torch
from torch import Tensor

from lacuna.engine.diff_api import DiffQuestion, LineEdit
from lacuna.engine.families.gap.decoding.prompt_lookup import PromptLookup
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.edit_prompt import EditWindow
from lacuna.engine.families.shared.diff_text import COMES
from lacuna.engine.families.shared.line_edit import line_edit
from lacuna.engine.request_trace import OutOfTime, RequestTrace
from lacuna.engine.text.byte_bpe import Tokenizer

SECONDS = 3.0  # for one window
MOST_TOKENS = 260  # of a window as it will be
DRAFTED = 24  # tokens
LEAST_DRAFT = log(0.1)  # log probability from which a token is drafted
RIGHT = {4: 0.95, 3: 0.9, 2: 0.8, 1: 0.5}  # most of what is written stands in the window
ROWS = 32  # of which the head is computed at once: 20 MB of log probabilities


@dataclass
class _Writing:
    """What is written so far, and its log probability."""

    ids: list[int]
    score: float


class EditWriter:
    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer) -> None:
        """`denoiser` has the adapter's layers."""
        self.denoiser, self._tokenizer = denoiser, tokenizer
        self._context = denoiser.context()
        assert denoiser.config.markers is not None, "edits are written in the FIM layout"
        self._markers = frozenset(denoiser.config.markers.all)  # which are no text

    @torch.inference_mode()
    def next_edit(
        self, question: DiffQuestion, least: float, check: Callable[[], None], seconds: float
    ) -> LineEdit | None:
        """See `diff_api.KnowsEdits`. `check` runs between all pieces of work and may raise."""
        window = EditWindow.of(question, self._tokenizer)
        if window is None:
            return None
        trace = RequestTrace(check, seconds=seconds)
        with suppress(OutOfTime):
            writing = self._changed(window, trace)
            if writing is not None and self._finished(window, writing, log(least) if least else -inf, trace):
                return self._edit(window, writing)
        return None

    def _changed(self, window: EditWindow, trace: RequestTrace) -> _Writing | None:
        """The beginning of the window as it will be, up to the first token that is another one; None where none is."""
        score = 0.0
        for at, (row, token) in enumerate(zip(self._verified(window, trace), window.copied, strict=True)):
            best = int(row.argmax())
            score += float(row[best])
            if best != token:
                return None if best in self._markers else _Writing([*window.copied[:at], best], score)
        return None

    def _verified(self, window: EditWindow, trace: RequestTrace) -> Iterator[Tensor]:
        """The log probabilities [vocab] of each token that is copied. One pass."""
        self._context.prefill_prefix(window.told, trace.check)
        ids = [*window.opened, *window.copied[:-1]]
        trace.count()
        states = self.denoiser.states_at(self._context, ids, range(len(window.opened) - 1, len(ids)))
        for part in states.split(ROWS):
            yield from self.denoiser.base.log_probabilities(part)

    def _finished(self, window: EditWindow, writing: _Writing, least: float, trace: RequestTrace) -> bool:
        """Writes on, each token the likeliest after those before it; whether an end was found, and the log probability
        did not fall below the least one."""
        head, end = [*window.told, *window.opened], window.copied[-1]
        lookup = PromptLookup([window.told, window.copied], RIGHT)
        ends = self._markers | {end}
        while writing.ids[-1] not in ends and writing.score >= least and len(writing.ids) < MOST_TOKENS:
            drafts = _drafted(lookup, writing.ids)
            self._context.prefill_prefix([*head, *writing.ids[:-1]], trace.check)
            trace.count()
            rows = self.denoiser.score(self._context, DraftTree([[writing.ids[-1], *drafts]]), keep=True)[0][1:]
            for row, draft in zip(rows, [*drafts, None], strict=True):
                token = int(row.argmax())
                writing.ids.append(token)
                writing.score += float(row[token])
                if token != draft or token in ends:
                    break
        return writing.ids[-1] == end and writing.score >= least

    def _edit(self, window: EditWindow, writing: _Writing) -> LineEdit | None:
        """The lines that are others; None where none is, or where they are no lines that come."""
        text = self._tokenizer.decode(writing.ids[:-1]).decode("utf-8", "replace")
        lines = text.split("\n")
        if lines.pop() or not all(line.startswith(COMES) for line in lines):
            return None
        come = [f"{line[len(COMES) :]}\n" for line in lines]
        return line_edit(window.text, come, exp(writing.score))


def _drafted(lookup: PromptLookup, before: list[int]) -> list[int]:
    """What prompt lookup finds behind some tokens, as long as it is likely to be right."""
    drafts, likely = list[int](), 0.0
    while len(drafts) < DRAFTED:
        match = lookup.following([*before, *drafts])
        if match is None or (likely := likely + log(match[1])) < LEAST_DRAFT:
            break
        drafts.append(match[0])
    return drafts
