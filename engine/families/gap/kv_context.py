"""The KV cache of a gap: the tokens of both sides with their keys and values, kept from request to request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.families.shared.common_prefix import common_prefix
from lacuna.engine.models.causal_decoder import CausalDecoder

CHUNK = 64  # tokens prefilled between two looks at the stop flag
SUFFIX_TOKENS = 64
PREFIX_TOKENS = 640  # the longest window (512) and the canvases of a long hole that were accepted into it
FIM_PREFIX_TOKENS = PREFIX_TOKENS + 192  # in the FIM layout the suffix, the markers and other files' paths as well
TAIL_TOKENS = 384  # scratch slots: seven canvases of 32 tokens with their drafts, or what the reranker scores
SUFFIXES_KEPT = 8


@dataclass(frozen=True)
class PrefilledSuffix:
    """A suffix's keys, rotated to positions 1 .. tokens, and values: [layers, kv_heads, tokens, head_dim]. The sink is
    left out."""

    ids: tuple[int, ...]
    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class Draft:
    """Tokens that the base has verified after a prefix, their scratch slots, and its final states at them."""

    tokens: Sequence[int]
    slots: Sequence[int]
    states: Tensor | None  # [tokens, hidden]


NO_DRAFT = Draft((), (), None)


class KvContext:
    """Slots of one cache: the suffix, right-aligned before ORIGIN; from ORIGIN on sink and prefix; then the tail.

    The tail are scratch slots: a pass writes the KV of its canvases or drafts there, and the next pass may overwrite
    them. They start right after the prefix, so that accepted tokens become part of it by a copy.
    """

    ORIGIN = SUFFIX_TOKENS

    def __init__(self, base: CausalDecoder, sink: Sequence[int], room: int = PREFIX_TOKENS) -> None:
        """`sink`: the token that every prefix begins with, or none. `room`: tokens of the longest prefix."""
        self._base = base
        self._room = room
        self.cache = base.cache(SUFFIX_TOKENS + room + TAIL_TOKENS)
        self.ids: list[int] = []  # the sink and the prefix; entry i stands at position i and slot ORIGIN + i
        self.suffix: PrefilledSuffix | None = None
        # [room, hidden]: the base's final states at the tokens, where they are known: a prefix that gets shorter is not
        # read again for what follows it.
        self._states = torch.empty(room, 0)
        self._is_known: list[bool] = []
        self._next: Tensor | None = None
        self._sink = sink
        self._draft = NO_DRAFT

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
            assert self._is_known[-1], "the last token was read"
            self._next = self._base.log_probabilities(self._states[self.last : self.last + 1])
        return self._next

    def cached(self, prefix: Sequence[int]) -> int:
        """How many tokens of this prefix, its sink included, have their KV here."""
        return common_prefix(self.ids, [*self._sink, *prefix])

    def copy_from(self, source: KvContext, count: int) -> None:
        """Takes over the KV of another context's first `count` tokens."""
        self._cut(0)  # until what they stand for is here
        self._draft = NO_DRAFT
        slots = slice(self.ORIGIN, self.ORIGIN + count)
        self.cache.keys[:, :, slots] = source.cache.keys[:, :, slots]
        self.cache.values[:, :, slots] = source.cache.values[:, :, slots]
        self._append(source.ids[:count], source._states[:count], source._is_known[:count])

    def prefill_prefix(self, prefix: Sequence[int], check: Callable[[], None]) -> int:
        """Makes this the context of `prefix`, computing only what is new; returns how many tokens were computed.

        `check` is called between chunks and may raise: what was prefilled until then is kept.
        """
        wanted = [*self._sink, *prefix]
        assert len(wanted) <= self._room, f"a prefix of {len(wanted)} tokens is longer than {self._room}"
        start = self._reuse(wanted)
        if start == len(wanted) and not self._is_known[start - 1]:
            start -= 1  # a draft's token: it is computed again, for its logits
        self._cut(start)
        for at in range(start, len(wanted), CHUNK):
            check()
            self._prefill_chunk(wanted[at : at + CHUNK])
        return len(wanted) - start

    def place_suffix(self, suffix: PrefilledSuffix, distance: int) -> None:
        """Places a suffix so that its first token stands `distance` positions after the anchor.

        Relative positions inside it never change: its keys are only rotated on, all by the same angle.
        """
        self.suffix = suffix
        count = len(suffix.ids)
        rope = self._base.rope
        cos_sin = rope.at(torch.tensor([self.last + distance - 1]))  # its first token was prefilled at position 1
        slots = slice(self.ORIGIN - count, self.ORIGIN)
        self.cache.keys[:, :, slots] = rope.rotate(suffix.keys, *cos_sin)
        self.cache.values[:, :, slots] = suffix.values

    def keep_draft_kv(self, tokens: Sequence[int], slots: Sequence[int], states: Tensor | None = None) -> None:
        """Remembers that these scratch slots hold the base's KV of these tokens, as they would follow the prefix.
        `states`: its final states at them, [tokens, hidden], where they are kept."""
        self._draft = Draft(tokens, slots, states)

    def _reuse(self, wanted: list[int]) -> int:
        """How many of these tokens have their KV here, those of a draft that was accepted included."""
        known, draft = common_prefix(self.ids, wanted), self._draft
        self._draft = NO_DRAFT
        if known < len(self.ids):
            return known
        count = common_prefix(draft.tokens, wanted[known:])
        if draft.states is None:  # then the last token is computed in any case, for its logits
            count = max(0, min(count, len(wanted) - known - 1))
        if count:
            self.cache.move(draft.slots[:count], self.tail)
            self._append(draft.tokens[:count], draft.states, [draft.states is not None] * count)
        return known + count

    def _prefill_chunk(self, ids: list[int]) -> None:
        count, start = len(ids), len(self.ids)
        mask = causal(start + count, self._base.device)[start:]  # [tokens, prefix + tokens]
        positions = torch.arange(start, start + count, device=self._base.device)
        hidden = self._base.forward(self._base.embed(ids), positions, self.cache, self.ORIGIN, self.tail, mask)
        self._append(ids, hidden, [True] * count)

    def _append(self, ids: Sequence[int], states: Tensor | None, is_known: Sequence[bool]) -> None:
        """Tokens whose KV are in their slots, and their states [tokens, hidden] where these are known."""
        start, count = len(self.ids), len(ids)
        if states is not None:
            if self._states.shape[1] != states.shape[1]:
                with torch.inference_mode(False):  # else it could be written in that mode alone, unlike the cache
                    self._states = states.new_empty(self._room, states.shape[1])
            self._states[start : start + count] = states[:count]
        self.ids += ids
        self._is_known += is_known
        self._next = None

    def _cut(self, count: int) -> None:
        """Only so many tokens are left."""
        if count < len(self.ids):
            self._next = None
        del self.ids[count:]
        del self._is_known[count:]


class SuffixPrefiller:
    """Prefills suffixes causally, on their own, and keeps the last few for a cursor that comes back."""

    def __init__(self, decoder: CausalDecoder, sink: Sequence[int]) -> None:
        self._decoder = decoder
        self._sink = sink
        self._cache = decoder.cache(SUFFIX_TOKENS + 1)
        self._kept: OrderedDict[tuple[int, ...], PrefilledSuffix] = OrderedDict()

    def prefill(self, suffix: Sequence[int]) -> PrefilledSuffix:
        ids = tuple(suffix[:SUFFIX_TOKENS])
        if ids not in self._kept:
            self._kept[ids] = self._prefill(ids)
        self._kept.move_to_end(ids)
        if len(self._kept) > SUFFIXES_KEPT:
            self._kept.popitem(last=False)
        return self._kept[ids]

    def _prefill(self, ids: tuple[int, ...]) -> PrefilledSuffix:
        # As the prefix it begins with the sink: else the first suffix token becomes one, and its identity is lost.
        count = len(ids) + 1
        positions = torch.arange(count, device=self._decoder.device)
        embedded = self._decoder.embed([*self._sink, *ids])
        mask = causal(count, self._decoder.device)
        self._decoder.forward(embedded, positions, self._cache, 0, 0, mask)
        return PrefilledSuffix(ids, self._cache.keys[:, :, 1:count].clone(), self._cache.values[:, :, 1:count].clone())


def causal(count: int, device: str) -> Tensor:
    """Mask [count, count]: each token sees itself and what is left of it."""
    return torch.ones(count, count, dtype=torch.bool, device=device).tril_()
