"""Keys and values of what the encoder read, with room behind them for a canvas."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.config import AttentionConfig, DiffusionGemmaConfig

SPARE = 256  # tokens a sliding layer keeps beyond its window: so many may be deleted without reading anything again
FIRST_CAPACITY = 512


class LayerCache:
    """One layer's slots in the order of positions, the first at `origin`: [batch, kv_heads, capacity, head_dim]."""

    def __init__(self, config: AttentionConfig, batch: int, dtype: torch.dtype, device: str) -> None:
        self.keys = torch.zeros(batch, config.num_key_value_heads, 0, config.head_dim, dtype=dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        self.origin = 0
        self.window = config.window

    def first(self, position: int) -> int:
        """The first position that a token at `position` sees."""
        return 0 if self.window is None else max(0, position - self.window + 1)

    def write(self, row: slice, position: int, keys: Tensor, values: Tensor) -> None:
        """Puts keys and values of shape [rows, tokens, kv_heads, head_dim] at position and after it."""
        start, count = position - self.origin, keys.shape[1]
        self.keys[row, :, start : start + count] = keys.transpose(1, 2)
        self.values[row, :, start : start + count] = values.transpose(1, 2)

    def read(self, row: slice, first: int, stop: int) -> tuple[Tensor, Tensor]:
        """Keys and values of positions first .. stop, [rows, kv_heads, slots, head_dim], without a copy."""
        slots = slice(first - self.origin, stop - self.origin)
        return self.keys[row, :, slots], self.values[row, :, slots]

    def reserve(self, length: int, count: int, text: int) -> None:
        """Makes room for `count` tokens after position `length`; a sliding layer lets go of what lies far behind the
        end of the text, at position `text`."""
        needed = length - self.origin + count
        if needed <= self.keys.shape[2]:
            return
        drop = 0
        if self.window is not None:
            drop = max(0, text - self.window - SPARE - self.origin)
        # Half as much again, so that a growing text is copied now and then, not with every token.
        capacity = max(3 * (needed - drop) // 2, FIRST_CAPACITY)
        # Both, or neither where memory is short.
        moved = [_moved(old, drop, length - self.origin, capacity) for old in (self.keys, self.values)]
        self.keys, self.values = moved
        self.origin += drop


class Cache:
    """All layers' slots for `batch` texts of one length. A pass may write behind `length`; `extend` makes it last."""

    def __init__(self, config: DiffusionGemmaConfig, batch: int, dtype: torch.dtype, device: str) -> None:
        kinds = [config.attention(layer) for layer in range(config.num_hidden_layers)]
        self.layers = [LayerCache(kind, batch, dtype, device) for kind in kinds]
        self.batch = batch
        self.length = 0
        self._text: int | None = None  # where the text ends while something is read behind it for a while
        self._limit = config.max_position_embeddings

    def reserve(self, count: int) -> None:
        """Room for `count` tokens behind the text. Raises ValueError where the model has no such positions."""
        if self.length + count > self._limit:
            raise ValueError(f"{self.length + count} tokens are more than the {self._limit} positions of this model")
        for layer in self.layers:
            layer.reserve(self.length, count, self.length if self._text is None else self._text)

    def extend(self, count: int) -> None:
        self.length += count

    def truncate(self, length: int) -> int:
        """Forgets what stands behind `length`. Returns how much is left: 0 if a sliding layer has lost what the last
        token that is left saw, which may have to be read again."""
        assert 0 <= length <= self.length, f"there are {self.length} tokens, not {length}"
        kept = all(layer.origin <= layer.first(max(0, length - 1)) for layer in self.layers)
        if not kept:
            for layer in self.layers:
                layer.origin = 0
        self.length = length if kept else 0
        return self.length

    @contextmanager
    def reading_last_again(self) -> Iterator[None]:
        """Inside, the text ends before its last token, and whatever is read behind that is forgotten afterwards.

        The last token is to be read first: its keys and values are the same again, so that the text is whole also if a
        pass fails."""
        assert self.length, "there is no last token"
        text = self.length
        self._text = self.length = text - 1
        try:
            yield
        finally:
            self._text, self.length = None, text


def _moved(buffer: Tensor, start: int, stop: int, capacity: int) -> Tensor:
    # Zeros, not empty: whatever is behind the text has to be a number.
    moved = buffer.new_zeros(*buffer.shape[:2], capacity, buffer.shape[3])
    moved[:, :, : stop - start] = buffer[:, :, start:stop]
    return moved
