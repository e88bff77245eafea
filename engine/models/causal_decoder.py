"""What a model family needs of an architecture: causal passes over a cache of slots, and the head behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from lacuna.engine.layers.kv_cache import KvCache
from lacuna.engine.layers.rope import Rope


class CausalDecoder(Protocol):
    """A decoder without batch dimension: several sequences in one pass are told apart by positions and mask.

    Decoders with the same embeddings and other layers, such as a base and the base with an adapter, can take turns over
    one cache.
    """

    @property
    def device(self) -> str: ...

    @property
    def rope(self) -> Rope:
        """By which cached keys can be turned to other positions."""
        ...

    @property
    def launches(self) -> str:
        """How passes are launched on a GPU, in words; "" elsewhere."""
        ...

    def cache(self, capacity: int) -> KvCache:
        """An empty one of so many slots."""
        ...

    def embed(self, ids: Sequence[int]) -> Tensor:
        """[tokens, hidden]."""
        ...

    def forward(self, x: Tensor, positions: Tensor, cache: KvCache, first: int, start: int, mask: Tensor) -> Tensor:
        """Embeddings [tokens, hidden] in, final hidden states of the same shape out.

        The pass writes its keys and values at slots start .. start + tokens, and attends to slots first .. start +
        tokens as `mask` says: bool, [tokens, start + tokens - first], true where a token sees a slot. `positions` has
        shape [tokens].
        """
        ...

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        """[tokens, vocab] in float32 for final hidden states [tokens, hidden]."""
        ...

    def log_probabilities_apart(self, hidden: Tensor, runs: Sequence[int]) -> list[Tensor]:
        """The same by runs of so many rows, each in memory of its own: who keeps rows of one (196 KB a row of SmolLM2)
        does not keep the others."""
        ...

    def warm_ups(self) -> list[Callable[[], None]]:
        """Passes, one of each shape that is captured, with the head behind them."""
        ...
