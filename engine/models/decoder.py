"""The decoder that Llama and Qwen 2 share, over a cache of slots: pre-norm, rotary, grouped-query attention, SwiGLU."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.kernels import availability
from lacuna.engine.layers import cuda_graphs
from lacuna.engine.layers.kv_cache import KvCache
from lacuna.engine.layers.linear import Linear, Matrix, padded
from lacuna.engine.layers.packed_linear import floats, side_by_side
from lacuna.engine.layers.rope import Rope

if TYPE_CHECKING:
    from lacuna.engine.models.decoder_kernels import DecoderKernels

# Positions that rotations are kept for. A training window has 1,024 tokens, a context of the engine fewer, and a canvas
# and a suffix stand behind them; some models know 131,072 positions, 64 MB of tables.
ROPE_POSITIONS = 4096
EMBEDDING, FINAL_NORM, HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


@dataclass(frozen=True)
class DecoderConfig:
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    max_position_embeddings: int
    model_type: str = "llama"
    has_qkv_bias: bool = False
    is_tied: bool = True  # the head is the matrix of embeddings

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of a checkpoint."""
        shapes: dict[str, tuple[int, ...]] = {
            EMBEDDING: (self.vocab_size, self.hidden_size),
            FINAL_NORM: (self.hidden_size,),
        }
        if not self.is_tied:
            shapes[HEAD] = (self.vocab_size, self.hidden_size)
        for layer in range(self.num_hidden_layers):
            for name, shape in self.layer_shapes().items():
                shapes[layer_name(layer, name)] = shape
        return shapes

    def layer_shapes(self) -> dict[str, tuple[int, ...]]:
        """The same inside a layer, names too."""
        hidden, inner = self.hidden_size, self.intermediate_size
        queries, pairs = self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {
            "input_layernorm.weight": (hidden,),
            "self_attn.q_proj.weight": (queries, hidden),
            "self_attn.k_proj.weight": (pairs, hidden),
            "self_attn.v_proj.weight": (pairs, hidden),
            "self_attn.o_proj.weight": (hidden, queries),
            "post_attention_layernorm.weight": (hidden,),
            "mlp.gate_proj.weight": (inner, hidden),
            "mlp.up_proj.weight": (inner, hidden),
            "mlp.down_proj.weight": (hidden, inner),
        }
        if self.has_qkv_bias:
            shapes |= {f"self_attn.{name}_proj.bias": (queries if name == "q" else pairs,) for name in "qkv"}
        return shapes


def layer_name(layer: int, name: str) -> str:
    """A tensor's name in a checkpoint, of its name inside a layer."""
    return f"model.layers.{layer}.{name}"


class Layer:
    """One decoder layer's weights."""

    def __init__(self, weights: Mapping[str, Tensor | Matrix], pack: Callable[[Tensor], Matrix] = Linear) -> None:
        """`weights` maps the checkpoint's names inside a layer to tensors, of which `pack` makes what is multiplied
        with, or to matrices in another form."""

        def matrix(*names: str) -> Matrix:
            return side_by_side([weights[f"{name}_proj.weight"] for name in names], pack)

        attention = [f"self_attn.{name}" for name in "qkv"]
        biases = [floats(weights[bias]) for name in attention if (bias := f"{name}_proj.bias") in weights]
        self.input_layernorm = floats(weights["input_layernorm.weight"])
        self.qkv_proj = matrix(*attention)  # [queries + keys + values, hidden]
        self.qkv_bias = torch.cat(biases) if biases else None  # [queries + keys + values]
        self.o_proj = matrix("self_attn.o")
        self.post_attention_layernorm = floats(weights["post_attention_layernorm.weight"])
        self.gate_proj, self.up_proj, self.down_proj = matrix("mlp.gate"), matrix("mlp.up"), matrix("mlp.down")

    def beside(self, add: Callable[[Matrix, Sequence[str]], Matrix]) -> Layer:
        """The same layer with something beside each matrix, which `add` makes of it and the names of its parts inside a
        layer."""
        other = copy.copy(self)
        other.qkv_proj = add(self.qkv_proj, [f"self_attn.{name}_proj" for name in "qkv"])
        other.o_proj = add(self.o_proj, ["self_attn.o_proj"])
        other.gate_proj = add(self.gate_proj, ["mlp.gate_proj"])
        other.up_proj = add(self.up_proj, ["mlp.up_proj"])
        other.down_proj = add(self.down_proj, ["mlp.down_proj"])
        return other


@dataclass(frozen=True)
class Place:
    """Where the tokens of a pass stand, and what they see."""

    cos_sin: tuple[Tensor, Tensor]  # rotations of their positions, [tokens, 1, head_dim] each
    cache: KvCache
    first: int  # slot, of those that they may see
    start: int  # slot, of their own
    mask: Tensor  # added to scores, [query heads of one key head * tokens, slots]


class Decoder:
    """A `CausalDecoder` of these layers."""

    def __init__(
        self, config: DecoderConfig, layers: Sequence[Layer], embed_tokens: Tensor, norm: Tensor, lm_head: Matrix
    ) -> None:
        """`embed_tokens` has shape [vocab, hidden], and so has `lm_head`, packed. What is computed has the dtype of
        `norm`."""
        self.config = config
        self.layers = layers
        self.device, self.dtype = norm.device.type, norm.dtype
        positions = min(config.max_position_embeddings, ROPE_POSITIONS)
        self.rope = Rope(config.head_dim, config.rope_theta, positions, self.dtype, self.device)
        self._embed_tokens = embed_tokens
        self._norm = norm
        self._lm_head = lm_head
        self._launches = ""
        self.kernels: DecoderKernels | None = None
        if availability.are_available(self.device):
            from lacuna.engine.models import decoder_kernels

            if decoder_kernels.fit(config, self.dtype):
                self.kernels = decoder_kernels.DecoderKernels(config, self.rope, norm)

    @property
    def launches(self) -> str:
        """How passes are launched on a GPU, in words."""
        graphs = None if self.kernels is None else self.kernels.graphs
        return self._launches if graphs is None else graphs.launches

    def capture(self, cache: KvCache) -> None:
        """On an NVIDIA GPU has passes launched as CUDA graphs, where nothing speaks against that; says it otherwise.
        `cache` is nobody's. Raises torch.cuda.OutOfMemoryError where there is no room for a pass itself."""
        if self.device == "cuda":
            why_not = "there are no kernels" if self.kernels is None else self.kernels.capture(self.layers, cache)
            self._launches = cuda_graphs.told(why_not)

    def with_layers(self, layers: Sequence[Layer]) -> Decoder:
        """The same with other layers, such as these with an adapter."""
        other = copy.copy(self)
        other.layers = layers
        return other

    def warm_ups(self) -> list[Callable[[], None]]:
        counts = () if self.kernels is None else self.kernels.captured_rows
        return [partial(self._warm_up, rows) for rows in counts]

    def cache(self, capacity: int) -> KvCache:
        c = self.config
        return KvCache(c.num_hidden_layers, c.num_key_value_heads, capacity, c.head_dim, self.dtype, self.device)

    def embed(self, ids: Sequence[int]) -> Tensor:
        return self.embed_rows(torch.tensor(ids, dtype=torch.long, device=self.device))

    def embed_rows(self, ids: Tensor) -> Tensor:
        """[tokens, hidden] for ids of shape [tokens]."""
        return self._embed_tokens[ids].to(self.dtype)

    def final_norm(self, x: Tensor) -> Tensor:
        """The norm after the last layer."""
        return self._rms_norm(x, self._norm)

    def forward(self, x: Tensor, positions: Tensor, cache: KvCache, first: int, start: int, mask: Tensor) -> Tensor:
        assert start + x.shape[0] <= cache.capacity, f"slot {start + x.shape[0]} is beyond the cache's {cache.capacity}"
        if self.kernels is not None:
            return self.kernels.forward(self.layers, x, positions, cache, first, start, mask)
        additive = torch.zeros(mask.shape, dtype=self.dtype, device=self.device).masked_fill_(~mask, -torch.inf)
        group = self.config.num_attention_heads // self.config.num_key_value_heads
        folded = additive.repeat(group, 1)  # [group * tokens, slots]
        return self._through(x, Place(self.rope.at(positions), cache, first, start, folded))

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        return self.log_probabilities_apart(hidden, [len(hidden)])[0]

    def log_probabilities_apart(self, hidden: Tensor, runs: Sequence[int]) -> list[Tensor]:
        logits = self._lm_head(padded(hidden, self._lm_head.rows))[: len(hidden)].split(list(runs))
        return [run.log_softmax(-1, dtype=torch.float32) for run in logits]

    @torch.inference_mode()
    def _warm_up(self, rows: int) -> None:
        mask = torch.ones(rows, rows, dtype=torch.bool, device=self.device)
        positions = torch.arange(rows, device=self.device)
        self.log_probabilities(self.forward(self.embed([0] * rows), positions, self.cache(rows), 0, 0, mask))

    def _rms_norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self.config.rms_norm_eps)

    def _through(self, x: Tensor, place: Place) -> Tensor:
        tokens, rows = len(x), self.layers[0].qkv_proj.rows
        x = padded(x, rows)  # rows that only the matrix products see
        for number, layer in enumerate(self.layers):
            qkv = layer.qkv_proj(self._rms_norm(x, layer.input_layernorm))[:tokens]
            if layer.qkv_bias is not None:
                qkv = qkv + layer.qkv_bias
            mixed = _attended(self._turned(qkv, number, place), number, place)
            x = layer.o_proj.plus(padded(mixed, rows), x)
            normed = self._rms_norm(x, layer.post_attention_layernorm)
            x = layer.down_proj.plus(layer.up_proj.times(normed, layer.gate_proj.silu(normed)), x)
        return self.final_norm(x[:tokens])

    def _turned(self, qkv: Tensor, layer: int, place: Place) -> Tensor:
        """Queries [tokens, heads, head_dim]; keys and values go to the layer's slots."""
        heads, pairs = self.config.num_attention_heads, self.config.num_key_value_heads
        qkv = qkv.view(len(qkv), heads + 2 * pairs, self.config.head_dim)
        turned = self.rope.rotate(qkv[:, : heads + pairs], *place.cos_sin)
        place.cache.write(layer, place.start, turned[:, heads:], qkv[:, heads + pairs :])
        return turned[:, :heads]


def _attended(queries: Tensor, layer: int, place: Place) -> Tensor:
    """[tokens, heads * head_dim] for queries [tokens, heads, head_dim], whose own keys and values are in the cache."""
    tokens, heads, width = queries.shape
    slots = slice(place.first, place.start + tokens)
    keys, values = place.cache.keys[layer, None, :, slots], place.cache.values[layer, None, :, slots]
    # The query heads of one key head become rows of one query: [1, pairs, group * tokens, width]. 480 us a layer
    # for 17 tokens and 600 slots, against 540 with enable_gqa (655 and 150 for a single token).
    pairs = keys.shape[1]
    group = heads // pairs
    folded = queries.reshape(tokens, pairs, group, width).permute(1, 2, 0, 3).reshape(1, pairs, group * tokens, width)
    mixed = functional.scaled_dot_product_attention(folded, keys, values, attn_mask=place.mask)
    return mixed.view(pairs, group, tokens, width).permute(2, 0, 1, 3).reshape(tokens, heads * width)
