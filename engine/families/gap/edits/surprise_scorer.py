"""Log-likelihood drops with the gap family: the base scores a passage behind both versions of what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from lacuna.engine.api import Passage, Surprise
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.two_versions import Before, TwoVersions
from lacuna.engine.families.gap.kv_context import PREFIX_TOKENS, KvContext
from lacuna.engine.families.shared.surprise import ScoredToken, surprises
from lacuna.engine.request_trace import OutOfTime, RequestTrace
from lacuna.engine.text import token_healing
from lacuna.engine.text.byte_bpe import Tokenizer

SECONDS = 3.0  # for one passage, whose two prompts may have to be prefilled from their beginnings
PASSAGE_TOKENS = 192  # of a passage that are scored


class Scorer:
    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer, versions: TwoVersions) -> None:
        self._denoiser = denoiser
        self._tokenizer = tokenizer
        self._versions = versions

    @torch.inference_mode()
    def surprises(self, passage: Passage, check: Callable[[], None], seconds: float) -> tuple[Surprise, ...]:
        """The words that became less likely; none where `seconds` are not enough to score both versions. `check` runs
        between all pieces of work and may raise."""
        check = RequestTrace(check, seconds=seconds).check
        before = Before(passage.new_prefix, passage.new_snippets)
        new = self._versions.text(before)
        old = self._versions.old_text(Before(passage.old_prefix, passage.old_snippets), before)
        if new == old:
            return ()
        try:
            new_scored = self._scored(self._versions.present, new, passage.text, check)
            old_scored = self._scored(self._versions.old, old, passage.text, check)
        except OutOfTime:
            return ()
        return surprises(passage.text, old_scored, new_scored, passage.threshold)

    def _scored(self, context: KvContext, prefix: str, text: str, check: Callable[[], None]) -> list[ScoredToken]:
        kept = prefix[: token_healing.healing_start(prefix, self._tokenizer)]
        healing_prefix = prefix[len(kept) :]
        read = self._denoiser.read(self._tokenizer.encode(kept)[-PREFIX_TOKENS + 2 :])
        self._versions.prefill(context, read, check)
        draft = self._tokenizer.encode(healing_prefix + text)[:PASSAGE_TOKENS]
        check()
        (rows,) = self._denoiser.score(context, DraftTree([draft]))
        context.keep_draft_kv(draft, [context.tail + at for at in range(len(draft))])
        logs = [float(row[token]) for row, token in zip(rows, draft, strict=False)]
        return self._behind_healing_prefix(draft, logs, len(healing_prefix.encode("utf-8", "replace")))

    def _behind_healing_prefix(
        self, draft: Sequence[int], logs: Sequence[float], healing_prefix: int
    ) -> list[ScoredToken]:
        scored = []
        for token, log_probability in zip(draft, logs, strict=True):
            spelled = self._tokenizer.decode([token])
            if len(spelled) > healing_prefix:
                scored.append(ScoredToken(spelled[healing_prefix:], log_probability))
            healing_prefix = max(0, healing_prefix - len(spelled))
        return scored
