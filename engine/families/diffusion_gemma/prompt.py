"""A prompt and its KV cache: typing prefills the new tokens, deleting a little prefills none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.model import CHUNK, DiffusionGemma
from lacuna.engine.families.shared.common_prefix import common_prefix


class Prompt:
    """The cache of one text, which follows the text's edits."""

    def __init__(self, model: DiffusionGemma) -> None:
        self._model = model
        self.cache = model.cache()
        self.ids: list[int] = []

    def update(self, ids: Sequence[int], check: Callable[[], None] = lambda: None) -> int:
        """Makes `ids` the text; returns how many tokens were prefilled. `check` runs before each pass and may raise."""
        kept = self.cache.truncate(common_prefix(self.ids, ids))
        self.ids = list(ids[:kept])
        while len(self.ids) < len(ids):
            check()
            chunk = list(ids[len(self.ids) : len(self.ids) + CHUNK])
            self._model.encode(self._tensor(chunk), self.cache)
            self.ids += chunk
        return len(ids) - kept

    def score(self, continuation: Sequence[int]) -> list[float]:
        """Log probabilities of tokens after the text, by the encoder. The text stays as it is."""
        return self.scores([continuation])[0]

    def scores(self, continuations: Sequence[Sequence[int]]) -> list[list[float]]:
        """The same for several continuations of any lengths, at most CHUNK tokens each, in one pass."""
        assert self.ids, "the first token of a continuation is predicted by the last of the text"
        width = max(1, *map(len, continuations))
        assert width <= CHUNK or len(continuations) == 1, "of several rows nothing stays for a second pass to see"
        # What fills up a row stands behind its continuation and is not seen by it.
        rows = [
            [self.ids[-1], *tokens[:-1], *[self.ids[-1]] * (width - max(1, len(tokens)))] for tokens in continuations
        ]
        # The last token is computed again for its hidden state; keys and values come out the same.
        with self.cache.reading_last_again():
            hidden = self._model.read(torch.tensor(rows, device=self._model.device), self.cache)
        return [self._log_probs(row[: len(tokens)], tokens) for row, tokens in zip(hidden, continuations, strict=True)]

    def _log_probs(self, hidden: Tensor, tokens: Sequence[int]) -> list[float]:
        """Log probabilities of tokens by the states [tokens, hidden] before them: one row's logits at a time, as a
        hundred of them take 105 MB at 256K tokens."""
        logits = self._model.logits(hidden)
        chosen = logits.gather(-1, self._tensor(tokens).T).squeeze(-1)
        log_probs: list[float] = (chosen - logits.logsumexp(-1)).tolist()
        return log_probs

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor([list(ids)], dtype=torch.long, device=self._model.device)
