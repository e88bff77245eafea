"""Log-likelihood drops with DiffusionGemma: its encoder scores a passage behind both versions of what is left of it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from lacuna.engine.api import Gap, Passage, Snippet, Surprise
from lacuna.engine.families.diffusion_gemma.model import CHUNK, DiffusionGemma
from lacuna.engine.families.diffusion_gemma.prompt import Prompt
from lacuna.engine.families.diffusion_gemma.question import Question, Questioner
from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer
from lacuna.engine.families.shared.surprise import ScoredToken, surprises


class Scorer:
    def __init__(self, model: DiffusionGemma, tokenizer: GemmaTokenizer, present: Prompt, old: Prompt) -> None:
        """`present` and `old` are a document's prompts after and before an edit, shared with whoever else reads
        them."""
        self._tokenizer = tokenizer
        self._questioner = Questioner(tokenizer, model.config.canvas_length)
        self._present = present
        self._old = old

    @torch.inference_mode()
    def surprises(self, passage: Passage, check: Callable[[], None]) -> tuple[Surprise, ...]:
        """The words that became less likely. `check` runs before every pass and may raise."""
        old = self._questioner.ask(Gap(passage.old_prefix, "", "", tuple(map(Snippet, passage.old_snippets))))
        new = self._questioner.ask(Gap(passage.new_prefix, "", "", tuple(map(Snippet, passage.new_snippets))))
        if old == new:
            return ()
        new_scored = self._scored(self._present, new, passage.text, check)
        old_scored = self._scored(self._old, old, passage.text, check)
        return surprises(passage.text, old_scored, new_scored, passage.threshold)

    def _scored(self, prompt: Prompt, question: Question, text: str, check: Callable[[], None]) -> list[ScoredToken]:
        prompt.update(question.prompt, check)
        check()
        tokens = self._tokenizer.encode(question.healing_prefix.decode("utf-8", "ignore") + text)[:CHUNK]
        scored, healing_prefix = [], len(question.healing_prefix)
        for token, log_probability in zip(tokens, prompt.score(tokens) if tokens else [], strict=True):
            spelled = self._tokenizer.decode([token])
            if len(spelled) > healing_prefix:
                scored.append(ScoredToken(spelled[healing_prefix:], log_probability))
            healing_prefix = max(0, healing_prefix - len(spelled))
        return scored
