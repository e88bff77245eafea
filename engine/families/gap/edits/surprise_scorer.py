"""Surprise with the `gap` family: the base reads a passage behind both versions of what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from lacuna.engine.api import Passage, Surprise
from lacuna.engine.families.gap.decoding.draft_tree import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.two_versions import Before, Reading
from lacuna.engine.families.gap.kv_context import PREFIX_TOKENS, Context
from lacuna.engine.families.shared.surprise import Said, surprises
from lacuna.engine.request_trace import OutOfTime, Work
from lacuna.engine.text import token_healing
from lacuna.engine.text.byte_bpe import Tokenizer

SECONDS = 3.0  # for one passage: two windows that were not read before take 0.9
PASSAGE_TOKENS = 192  # of a passage that are read


class Scorer:
    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer, reading: Reading) -> None:
        self._denoiser = denoiser
        self._tokenizer = tokenizer
        self._reading = reading

    @torch.inference_mode()
    def surprises(self, passage: Passage, check: Callable[[], None], seconds: float) -> tuple[Surprise, ...]:
        """The words that became less likely; none where `seconds` are not enough to read both versions. `check` runs
        between all pieces of work and may raise."""
        check = Work(check, seconds=seconds).check
        before = Before(passage.new_prefix, passage.new_snippets)
        new = self._reading.text(before)
        old = self._reading.old_text(Before(passage.old_prefix, passage.old_snippets), before)
        if new == old:
            return ()
        try:
            said_new = self._read(self._reading.present, new, passage.text, check)
            said_old = self._read(self._reading.old, old, passage.text, check)
        except OutOfTime:
            return ()
        return surprises(passage.text, said_old, said_new, passage.threshold)

    def _read(self, context: Context, prefix: str, text: str, check: Callable[[], None]) -> list[Said]:
        kept = prefix[: token_healing.stub_start(prefix, self._tokenizer)]
        stub = prefix[len(kept) :]
        context.read_prefix(self._tokenizer.encode(kept)[-PREFIX_TOKENS + 1 :], check)
        draft = self._tokenizer.encode(stub + text)[:PASSAGE_TOKENS]
        check()
        (rows,) = self._denoiser.score(context, DraftTree([draft]))
        context.keep(draft, [context.tail + at for at in range(len(draft))])
        logs = [float(row[token]) for row, token in zip(rows, draft, strict=False)]
        return self._without_stub(draft, logs, len(stub.encode("utf-8", "replace")))

    def _without_stub(self, draft: Sequence[int], logs: Sequence[float], stub: int) -> list[Said]:
        said = []
        for token, log_probability in zip(draft, logs, strict=True):
            spelled = self._tokenizer.decode([token])
            if len(spelled) > stub:
                said.append(Said(spelled[stub:], log_probability))
            stub = max(0, stub - len(spelled))
        return said
