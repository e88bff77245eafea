"""Spelling: which tokens can spell given bytes within a number of tokens."""

from __future__ import annotations

from functools import lru_cache

import torch
from lacuna.engine.text.byte_bpe import Tokenizer
from torch import Tensor


class Spelling:
    """Answers are exact: who follows `allowed` from token to token always gets to the end."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.least = lru_cache(maxsize=4096)(self._least)
        self.allowed = lru_cache(maxsize=256)(self._allowed)

    def _least(self, wanted: bytes) -> int:
        """The fewest tokens that spell `wanted`, the last of which may go beyond it."""
        if not wanted:
            return 0
        return 1 + min(self.least(wanted[len(spelled) :]) for spelled in self._spelled(wanted))

    def _allowed(self, wanted: bytes, count: int) -> Tensor:
        """Ids of the tokens from which `count` tokens, that one included, can spell `wanted`, or that and more."""
        possible = [
            token
            for token in self._tokenizer.spelling(wanted)
            if self.least(wanted[len(self._tokenizer.decode([token])) :]) < count
        ]
        assert possible, f"{count} tokens cannot spell {len(wanted)} bytes"
        return torch.tensor(possible)

    def _spelled(self, wanted: bytes) -> set[bytes]:
        """What a first token can spell of `wanted`."""
        tokens = self._tokenizer.spelling(wanted)
        assert tokens, "every byte is a token"
        return {self._tokenizer.decode([token])[: len(wanted)] for token in tokens}
