"""Which tokens may begin a hole, where the last token left of it was taken off and has to be spelled."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer


class Beginnings:
    def __init__(self, tokenizer: GemmaTokenizer, vocab_size: int, device: str) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._device = device
        self._of = lru_cache(maxsize=8)(self._allowed)

    def at(self, healing_prefixes: Mapping[int, bytes]) -> dict[int, Tensor]:
        """Per position with a healing prefix, bool [vocab]: the tokens that spell it, or it and more."""
        return {
            position: self._of(healing_prefix)
            for position, healing_prefix in healing_prefixes.items()
            if healing_prefix
        }

    def _allowed(self, healing_prefix: bytes) -> Tensor:
        allowed = torch.zeros(self._vocab_size, dtype=torch.bool)
        allowed[self._tokenizer.beginning_with(healing_prefix)] = True
        return allowed.to(self._device)
