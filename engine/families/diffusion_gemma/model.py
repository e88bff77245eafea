"""DiffusionGemma's text path: the encoder reads text into a cache, the decoder sees the cache and the whole canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma import torch_span
from lacuna.engine.families.diffusion_gemma.attention import Span
from lacuna.engine.families.diffusion_gemma.cache import Cache
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.heads import Head, TorchHead, TritonHead
from lacuna.engine.families.diffusion_gemma.layer import Layer
from lacuna.engine.families.diffusion_gemma.rope import Rope
from lacuna.engine.families.diffusion_gemma.self_conditioning import SelfConditioning
from lacuna.engine.kernels import availability
from lacuna.engine.layers import cuda_graphs
from lacuna.engine.layers.linear import Linear, product

if TYPE_CHECKING:
    from lacuna.engine.families.diffusion_gemma.captured_passes import CapturedPasses

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
        ropes = {sliding: Rope(config.sliding if sliding else config.full, self.device) for sliding in (True, False)}
        self._ropes = [ropes[sliding] for sliding in config.is_sliding]
        self._has_kernels = attends_by_kernels(config, self.device, self.dtype)
        self._host_waits = any(layer.host_waits for layer in layers)
        self.captured: CapturedPasses | None = None  # passes that are launched as a whole, where there are any
        self._launches = ""

    @property
    def launches(self) -> str:
        """How passes are launched on a GPU, in words."""
        return self._launches if self.captured is None else self.captured.launches

    def capture(self) -> None:
        """On an NVIDIA GPU has passes launched as CUDA graphs, where nothing speaks against that; says it otherwise.
        Raises torch.cuda.OutOfMemoryError where there is no room for a pass itself."""
        if self.device != "cuda":
            return
        why_not = self.obstacle
        if not why_not:
            from lacuna.engine.families.diffusion_gemma.captured_passes import CapturedPasses

            captured = CapturedPasses(self, cuda_graphs.Graphs(self.device, cuda_graphs.CudaCapture()))
            why_not = captured.fault()
            self.captured = None if why_not else captured
        self._launches = cuda_graphs.told(why_not)

    @property
    def obstacle(self) -> str:
        """What keeps passes from being captured as CUDA graphs, in words; "" if nothing does."""
        if not self._has_kernels:
            return "kernels do not compute attention"
        return "experts are decoded in groups, for which the host waits" if self._host_waits else ""

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
        if self.captured is not None and (hidden := self.captured.denoise(canvas, cache, expected)) is not None:
            return hidden[:, wanted]
        return self.decoder(canvas, expected, self._spans(cache, canvas.shape[1], is_causal=False), wanted)

    def encoder(self, ids: Tensor, spans: Sequence[Span], wanted: slice = slice(None)) -> Tensor:
        """Final hidden states [batch, wanted, hidden] of ids [batch, tokens], whose keys and values go where the
        layers' `spans` say."""
        scalars = [layer.encoder_scalar for layer in self._layers]
        return self._through(self.embed(ids), spans, scalars, wanted)

    def decoder(
        self, canvas: Tensor, expected: Tensor | None, spans: Sequence[Span], wanted: slice | Tensor = slice(None)
    ) -> Tensor:
        """The same of a canvas [batch, tokens] and what was `expected` of it."""
        scalars = [layer.decoder_scalar for layer in self._layers]
        return self._through(self._self_conditioning(self.embed(canvas), expected), spans, scalars, wanted)

    def spans(self, place: Tensor, is_shared: bool, tokens: int, is_causal: bool) -> Sequence[Span]:
        """For kernels, of a pass whose tokens stand at a `place` that is on the device (triton_span.py)."""
        from lacuna.engine.families.diffusion_gemma import triton_span

        return triton_span.spans(place, is_shared, tokens, self._ropes, self.dtype, is_causal)

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
        cache.reserve(ids.shape[1])
        hidden = None if self.captured is None else self.captured.read(ids, cache)
        if hidden is None:
            hidden = self.encoder(ids, self._spans(cache, ids.shape[1], is_causal=True), wanted)
        cache.extend(ids.shape[1])
        return hidden

    def _spans(self, cache: Cache, tokens: int, is_causal: bool) -> Sequence[Span]:
        """Behind the text of a cache that has room for them."""
        if not self._has_kernels:
            return torch_span.spans(cache, tokens, self._ropes, self.dtype, is_causal)
        from lacuna.engine.families.diffusion_gemma import triton_span

        place = triton_span.place(cache, tokens).to(self.device)
        return self.spans(place, cache.batch == 1, tokens, is_causal)

    def _through(self, x: Tensor, spans: Sequence[Span], scalars: Sequence[Tensor], wanted: slice | Tensor) -> Tensor:
        """The layers and the norm behind them. The last one computes the `wanted` tokens alone."""
        normed = self._rms_norm(x, self._layers[0].before)
        following = [*(layer.before for layer in self._layers[1:]), self._norm]
        for layer, span, scalar, weight in zip(self._layers, spans, scalars, following, strict=True):
            chosen = wanted if layer is self._layers[-1] else slice(None)
            x, normed = layer(x, normed, span, scalar, weight, chosen)
        return normed

    def _rms_norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self.config.rms_norm_eps)


def attends_by_kernels(config: DiffusionGemmaConfig, device: str, dtype: torch.dtype) -> bool:
    """Whether all layers attend by kernels. In float32 the full layers' heads are too wide for one."""
    if not availability.are_available(device):
        return False
    from lacuna.engine.kernels import cache_attention

    return all(cache_attention.fits(kind.head_dim, dtype) for kind in (config.sliding, config.full))
