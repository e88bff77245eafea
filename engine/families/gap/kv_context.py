"""What was read of a gap: the tokens of both sides and their keys and values, kept from request to request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from lacuna.engine.families.shared.common_prefix import common_prefix
from lacuna.engine.models.llama import Layer, Llama
from torch import Tensor

CHUNK = 64  # tokens read between two looks at the stop flag
SUFFIX_TOKENS = 64
PREFIX_TOKENS = 640  # the longest window (512) and the canvases of a long hole that were accepted into it
TAIL_TOKENS = 384  # canvases and drafts under way: seven of 32 tokens and what the reranker reads of them
SUFFIXES_KEPT = 8


@dataclass(frozen=True)
class PrefilledSuffix:
    """A suffix's keys, rotated to positions 1 .. tokens, and values: [layers, kv_heads, tokens, head_dim]. The sink is
    left out."""

    ids: tuple[int, ...]
    keys: Tensor
    values: Tensor


class KvContext:
    """Slots of one cache: the suffix, right-aligned before ORIGIN; the sink and the prefix from ORIGIN on; then the
    tail."""

    ORIGIN = SUFFIX_TOKENS

    def __init__(self, base: Llama, sink: int) -> None:
        self._base = base
        self.cache = base.cache(SUFFIX_TOKENS + PREFIX_TOKENS + TAIL_TOKENS)
        self.ids: list[int] = []  # the sink and the prefix; entry i stands at position i and slot ORIGIN + i
        self.suffix: PrefilledSuffix | None = None
        self._hidden = torch.empty(
            0
        )  # [1, hidden]: the base's final state at the last of the first `_hidden_at` tokens
        self._hidden_at = 0  # 0 where no such state is known
        self._next: Tensor | None = None
        self._sink = sink
        # Tokens read after the prefix, and their slots.
        self._draft_kv: tuple[Sequence[int], Sequence[int]] = ([], [])

    @property
    def last(self) -> int:
        """Position of the last prefix token, which is the canvas' anchor."""
        return len(self.ids) - 1

    @property
    def tail(self) -> int:
        """The first slot after the prefix."""
        return self.ORIGIN + len(self.ids)

    @property
    def next_log_probabilities(self) -> Tensor:
        """[1, vocab]: the base's for the token after the prefix."""
        if self._next is None:
            self._next = self._base.log_probabilities(self._hidden)
        return self._next

    def shared(self, prefix: Sequence[int]) -> int:
        """How many tokens of this prefix (with its sink) are read here already."""
        return common_prefix(self.ids, [self._sink, *prefix])

    def copy(self, source: KvContext, count: int) -> None:
        """Takes over the first `count` tokens that another context has read."""
        self.ids, self._hidden_at, self._draft_kv = [], 0, ([], [])  # until what they stand for is here
        slots = slice(self.ORIGIN, self.ORIGIN + count)
        self.cache.keys[:, :, slots] = source.cache.keys[:, :, slots]
        self.cache.values[:, :, slots] = source.cache.values[:, :, slots]
        self.ids = source.ids[:count]

    def prefill_prefix(self, prefix: Sequence[int], check: Callable[[], None]) -> int:
        """Makes this the context of `prefix`, reading only what is new; returns how many tokens were read.

        `check` is called between chunks and may raise: what was read until then is kept.
        """
        wanted = [self._sink, *prefix]
        assert len(wanted) <= PREFIX_TOKENS, f"a prefix of {len(wanted)} tokens is longer than {PREFIX_TOKENS}"
        known = common_prefix(self.ids, wanted)
        if known < len(self.ids):
            self._hidden_at = 0  # what is left was read for another text, and its end's state is gone
        else:
            known = self._reuse_draft_kv(wanted, known)
        has_all = known == len(wanted)
        if has_all and self._hidden_at != known:
            known -= 1  # shortened, or stopped while it was: the last token is read again for its logits
        self._draft_kv = ([], [])
        del self.ids[known:]
        for at in range(known, len(wanted), CHUNK):
            check()
            self._prefill_chunk(wanted[at : at + CHUNK])
        return len(wanted) - known

    def place_suffix(self, suffix: PrefilledSuffix, distance: int) -> None:
        """Places a suffix so that its first token stands `distance` positions after the anchor.

        Relative positions inside it never change: its keys are only rotated on, all by the same angle.
        """
        self.suffix = suffix
        count = len(suffix.ids)
        rope = self._base.rope
        cos_sin = rope.at(torch.tensor([self.last + distance - 1]))  # its first token was read at position 1
        slots = slice(self.ORIGIN - count, self.ORIGIN)
        self.cache.keys[:, :, slots] = rope.rotate(suffix.keys, *cos_sin)
        self.cache.values[:, :, slots] = suffix.values

    def keep(self, tokens: Sequence[int], slots: Sequence[int]) -> None:
        """Remembers that the base has read these tokens after the prefix, into these slots of the tail."""
        self._draft_kv = (tokens, slots)

    def _reuse_draft_kv(self, wanted: list[int], known: int) -> int:
        tokens, slots = self._draft_kv
        count = min(
            common_prefix(tokens, wanted[known:]), len(wanted) - known - 1
        )  # the last one is read, for its logits
        if count <= 0:
            return known
        self.cache.move(slots[:count], self.tail)
        self.ids += tokens[:count]
        return known + count

    def _prefill_chunk(self, ids: list[int]) -> None:
        count, start = len(ids), len(self.ids)
        mask = causal(start + count, self._base.device)[start:]  # [tokens, prefix + tokens]
        positions = torch.arange(start, start + count, device=self._base.device)
        hidden = self._base.forward(self._base.embed(ids), positions, self.cache, self.ORIGIN, self.tail, mask)
        self.ids += ids
        self._hidden, self._next, self._hidden_at = hidden[-1:], None, len(self.ids)


class SuffixPrefiller:
    """Reads suffixes causally, on their own, and keeps the last few: a cursor that comes back finds its suffix read."""

    def __init__(self, base: Llama, layers: Sequence[Layer], sink: int) -> None:
        """`layers` read: the base's or adapted ones."""
        self._base = base
        self._layers = layers
        self._sink = sink
        self._cache = base.cache(SUFFIX_TOKENS + 1)
        self._kept: OrderedDict[tuple[int, ...], PrefilledSuffix] = OrderedDict()

    def read(self, suffix: Sequence[int]) -> PrefilledSuffix:
        ids = tuple(suffix[:SUFFIX_TOKENS])
        if ids not in self._kept:
            self._kept[ids] = self._read(ids)
        self._kept.move_to_end(ids)
        if len(self._kept) > SUFFIXES_KEPT:
            self._kept.popitem(last=False)
        return self._kept[ids]

    def _read(self, ids: tuple[int, ...]) -> PrefilledSuffix:
        # Both reads begin with the sink: without it the first suffix token becomes one, and its identity is lost.
        count = len(ids) + 1
        positions = torch.arange(count, device=self._base.device)
        embedded = self._base.embed([self._sink, *ids])
        mask = causal(count, self._base.device)
        self._base.forward(embedded, positions, self._cache, 0, 0, mask, self._layers)
        return PrefilledSuffix(ids, self._cache.keys[:, :, 1:count].clone(), self._cache.values[:, :, 1:count].clone())


def causal(count: int, device: str) -> Tensor:
    """Mask [count, count]: each token sees itself and what is left of it."""
    return torch.ones(count, count, dtype=torch.bool, device=device).tril_()
