"""Surprise with the `gap` family: the base reads a passage behind both versions of what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from lacuna.engine.api import Passage, Surprise
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.two_versions import Before, Reading
from lacuna.engine.families.gap.kv_context import PREFIX_TOKENS, KvContext
from lacuna.engine.families.shared.surprise import ScoredToken, surprises
from lacuna.engine.request_trace import OutOfTime, RequestTrace
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
        check = RequestTrace(check, seconds=seconds).check
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

    def _read(self, context: KvContext, prefix: str, text: str, check: Callable[[], None]) -> list[ScoredToken]:
        kept = prefix[: token_healing.healing_start(prefix, self._tokenizer)]
        healing_prefix = prefix[len(kept) :]
        context.prefill_prefix(self._tokenizer.encode(kept)[-PREFIX_TOKENS + 1 :], check)
        draft = self._tokenizer.encode(healing_prefix + text)[:PASSAGE_TOKENS]
        check()
        (rows,) = self._denoiser.score(context, DraftTree([draft]))
        context.keep(draft, [context.tail + at for at in range(len(draft))])
        logs = [float(row[token]) for row, token in zip(rows, draft, strict=False)]
        return self._without_stub(draft, logs, len(healing_prefix.encode("utf-8", "replace")))

    def _without_stub(self, draft: Sequence[int], logs: Sequence[float], healing_prefix: int) -> list[ScoredToken]:
        said = []
        for token, log_probability in zip(draft, logs, strict=True):
            spelled = self._tokenizer.decode([token])
            if len(spelled) > healing_prefix:
                said.append(ScoredToken(spelled[healing_prefix:], log_probability))
            healing_prefix = max(0, healing_prefix - len(spelled))
        return said
