"""A prompt and what was read of it: typing reads the new tokens, deleting a little reads none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.models.diffusion_gemma.model import CHUNK, DiffusionGemma


class Prompt:
    """The cache of one text, which follows the text's edits."""

    def __init__(self, model: DiffusionGemma) -> None:
        self._model = model
        self.cache = model.cache()
        self.ids: list[int] = []

    def update(self, ids: Sequence[int], check: Callable[[], None] = lambda: None) -> int:
        """Makes `ids` the text. Returns how many tokens were read. `check` runs before every pass and may raise."""
        kept = self.cache.truncate(_common(self.ids, ids))
        self.ids = list(ids[:kept])
        while len(self.ids) < len(ids):
            check()
            chunk = list(ids[len(self.ids) : len(self.ids) + CHUNK])
            self._model.encode(self._tensor(chunk), self.cache)
            self.ids += chunk
        return len(ids) - kept

    def score(self, continuation: Sequence[int]) -> list[float]:
        """Log probabilities of tokens after the text, by the encoder. The text stays as it is."""
        assert self.ids, "the first token of a continuation is predicted by the last of the text"
        length = self.cache.length
        # The last token is read again for its hidden state; keys and values come out the same.
        shortened = self.cache.truncate(length - 1)
        assert shortened == length - 1, "sliding layers keep more than their window"
        hidden = self._model.read(self._tensor([self.ids[-1], *continuation[:-1]]), self.cache)
        self.cache.truncate(length)
        said = self._model.logits(hidden)[0].log_softmax(-1)
        return said.gather(-1, self._tensor(continuation).T).squeeze(-1).tolist()

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor([list(ids)], device=self._model.device)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens that both begin with."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)
