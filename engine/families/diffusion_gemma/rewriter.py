"""Rewriting a piece of code as an instruction says: the plain chat form, generated canvas after canvas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from lacuna.engine.api import RewriteRequest
from lacuna.engine.families.diffusion_gemma.block_diffusion import generate
from lacuna.engine.families.diffusion_gemma.chat import Chat
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.families.diffusion_gemma.prompt import Prompt
from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer

SEED = 0
SURROUNDINGS = 4_096  # characters on either side


class DiffusionGemmaRewriter:
    """Rewrites code, one piece at a time. The same piece and instruction give the same answer."""

    def __init__(self, model: DiffusionGemma, tokenizer: GemmaTokenizer, config: EntropyBoundConfig) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._config = config

    @torch.inference_mode()
    def rewrite(self, request: RewriteRequest, check: Callable[[], None] = lambda: None) -> Iterator[str]:
        """The new code as it stands after every step; the last is the answer. `check` runs every step and may raise."""
        prompt = Prompt(self._model)
        prompt.update(Chat(self._tokenizer).instruct(_instruction(request), request.code, request.language), check)
        # A rewrite is seldom much longer than the code.
        room = len(self._tokenizer.encode(request.code)) + self._model.config.canvas_length
        config = replace(self._config, max_new_tokens=max(room, self._config.max_new_tokens))
        noise = Noise(SEED, self._model.config.vocab_size, self._model.device)
        written: list[int] = []
        for state in generate(self._model, prompt.cache, config, noise):
            check()
            canvas = state.best_ids[0] if state.emitted is None else state.emitted[0].tolist()
            yield self._code([*written, *canvas])
            if state.emitted is not None:
                written += canvas

    def _code(self, tokens: list[int]) -> str:
        """What stands before the first end token and the closing fence."""
        ended = next((at for at, token in enumerate(tokens) if token in self._config.eos_token_ids), len(tokens))
        return self._tokenizer.decode(tokens[:ended]).decode("utf-8", errors="ignore").split("\n```")[0]


def _instruction(request: RewriteRequest) -> str:
    """The request, with what stands around the code where anything does."""
    around = [
        f"{where} the code stands:\n\n```{request.language}\n{text}\n```"
        for where, text in (("Before", request.prefix[-SURROUNDINGS:]), ("After", request.suffix[:SURROUNDINGS]))
        if text.strip()
    ]
    return "\n\n".join([*around, request.instruction])
