"""DiffusionGemma's text path: the encoder reads text into a cache, the decoder sees the cache and the whole canvas."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.attend import needs_no_mask
from lacuna.engine.families.diffusion_gemma.attention import Span
from lacuna.engine.families.diffusion_gemma.cache import Cache
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.heads import Head, TorchHead, TritonHead
from lacuna.engine.families.diffusion_gemma.layer import Layer
from lacuna.engine.families.diffusion_gemma.rope import Rope
from lacuna.engine.families.diffusion_gemma.self_conditioning import SelfConditioning
from lacuna.engine.kernels import availability
from lacuna.engine.layers.linear import Linear, product

CHUNK = 1024  # tokens the encoder reads in one pass: bounds masks and activations, whatever the prompt's length
NOTHING = slice(0, 0)


class DiffusionGemma:
    """Two ways through the same layers. Ids have shape [batch, tokens]; all texts of a batch have one length."""

    def __init__(
        self,
        config: DiffusionGemmaConfig,
        layers: Sequence[Layer],
        embed_tokens: Tensor,
        norm: Tensor,
        self_conditioning: SelfConditioning,
    ) -> None:
        """`embed_tokens` has shape [vocab, hidden] and is the head's matrix too."""
        self.config = config
        self.device, self.dtype = embed_tokens.device.type, embed_tokens.dtype
        self._layers = layers
        self._embed_tokens = embed_tokens
        # In the weights' type: in bfloat16 the rounded root is what the model was trained with.
        self._embed_scale = torch.tensor(config.hidden_size**0.5, dtype=self.dtype, device=self.device)
        self._norm = norm
        lm_head, cap = Linear(embed_tokens), config.final_logit_softcapping
        self._head = TorchHead(lm_head, cap, self.dtype)
        self.decide: Head = TritonHead(lm_head, cap) if availability.are_available(self.device) else self._head
        self._self_conditioning = self_conditioning
        self._ropes = {
            sliding: Rope(config.sliding if sliding else config.full, self.device) for sliding in (True, False)
        }

    def cache(self, batch: int = 1) -> Cache:
        return Cache(self.config, batch, self.dtype, self.device)

    def encode(self, ids: Tensor, cache: Cache) -> None:
        """Reads ids on from where the cache ends. Nothing is computed that only their logits would need."""
        for chunk in ids.split(CHUNK, dim=1):
            self._read(chunk, cache, NOTHING)

    def read(self, ids: Tensor, cache: Cache) -> Tensor:
        """The same, and final hidden states [batch, tokens, hidden] come back."""
        return torch.cat([self._read(chunk, cache, slice(None)) for chunk in ids.split(CHUNK, dim=1)], dim=1)

    def denoise(
        self, canvas: Tensor, cache: Cache, expected: Tensor | None = None, wanted: slice | Tensor = slice(None)
    ) -> Tensor:
        """Final hidden states [batch, wanted, hidden] of a canvas [batch, canvas] that stands behind the cache's text.

        `expected`, [batch, canvas, hidden], is what `expect` made of the step before. The cache's text stays as it is.
        A cache of one text serves a canvas batch of any size.
        """
        cache.reserve(canvas.shape[1])
        x = self._self_conditioning(self.embed(canvas), expected)
        spans = self._spans(cache.length, canvas.shape[1], causal=False)
        for number, layer in enumerate(self._layers):
            kind, last = self.config.is_sliding[number], number == len(self._layers) - 1
            chosen = wanted if last else slice(None)
            x = layer(x, self._ropes[kind], spans[kind], cache.layers[number], layer.decoder_scalar, chosen)
        return self._final_norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Soft-capped logits [..., vocab] in float32 for final hidden states [..., hidden]."""
        return self._head.logits(hidden)

    def embed(self, ids: Tensor) -> Tensor:
        return self._embed_tokens[ids] * self._embed_scale

    def expect(self, probabilities: Tensor) -> Tensor:
        """Mean embeddings [..., hidden] under distributions [..., vocab]: what self-conditioning takes."""
        rows = probabilities.to(self.dtype).flatten(0, -2)
        return product(rows, self._embed_tokens).mul_(self._embed_scale).unflatten(0, probabilities.shape[:-1])

    def _read(self, ids: Tensor, cache: Cache, wanted: slice) -> Tensor:
        tokens = ids.shape[1]
        cache.reserve(tokens)
        x = self.embed(ids)
        spans = self._spans(cache.length, tokens, causal=True)
        for number, layer in enumerate(self._layers):
            kind, last = self.config.is_sliding[number], number == len(self._layers) - 1
            chosen = wanted if last else slice(None)
            x = layer(x, self._ropes[kind], spans[kind], cache.layers[number], layer.encoder_scalar, chosen)
        cache.extend(tokens)
        return self._final_norm(x)

    def _spans(self, start: int, tokens: int, causal: bool) -> dict[bool, Span]:
        """By kind of layer (sliding or not). The decoder hides nothing: its window is cut for the canvas as a whole."""
        spans = {}
        for kind, rope in self._ropes.items():
            layer = self.config.sliding if kind else self.config.full
            is_masked = causal and tokens > 1 and not needs_no_mask(layer.head_dim, self.device, self.dtype)
            mask = self._causal_mask(start, tokens, layer.window) if is_masked else None
            spans[kind] = Span(start, rope.at(start, tokens, self.dtype), mask, causal)
        return spans

    def _causal_mask(self, start: int, tokens: int, window: int | None) -> Tensor:
        """[tokens, visible]: a token sees itself and what is before it, in a sliding layer `window` tokens."""
        first = 0 if window is None else max(0, start - window + 1)
        query = torch.arange(start, start + tokens, device=self.device)[:, None]
        key = torch.arange(first, start + tokens, device=self.device)
        mask = key <= query
        return mask if window is None else mask & (key > query - window)

    def _final_norm(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self._norm, self.config.rms_norm_eps)
