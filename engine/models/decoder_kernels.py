"""A pass through a decoder's layers by Triton's kernels: sums with the norms behind them, rotations, gates at once.

What a token sees and where the pass stands are read from the device. So a pass can be captured as a CUDA graph, in
buckets of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.kernels import cache_attention as attention
from lacuna.engine.kernels import slots
from lacuna.engine.kernels.gated import silu_times
from lacuna.engine.kernels.norms import add_norm, rms_norm
from lacuna.engine.kernels.rope_to_cache import rope_to_cache
from lacuna.engine.kernels.slots import Slots
from lacuna.engine.layers.buckets import bucket
from lacuna.engine.layers.cuda_graphs import CudaCapture, Graphs, fault
from lacuna.engine.layers.kv_cache import KvCache
from lacuna.engine.layers.rope import Rope
from lacuna.engine.models.decoder import DecoderConfig, Layer

SLOTS = 1280  # that the rows of a captured pass see at most
ROWS = (8, 16, 32, 64, 96, 128, 192, 384)  # of captured passes; 384 are the most that a context drafts


class DecoderKernels:
    """The passes of one decoder."""

    def __init__(self, config: DecoderConfig, rope: Rope, norm: Tensor) -> None:
        """`norm` is the one after the last layer."""
        self._config = config
        self._rope = rope
        self._norm = norm
        self.graphs: Graphs | None = None  # by which passes are launched as a whole

    def capture(self, layers: Sequence[Layer], cache: KvCache) -> str:
        """Has passes launched as CUDA graphs; what speaks against that, in words, or "" where they now are."""
        graphs = Graphs(self._norm.device.type, CudaCapture())
        why_not = self.fault(graphs, layers, cache)
        self.graphs = None if why_not else graphs
        return why_not

    def forward(
        self,
        layers: Sequence[Layer],
        x: Tensor,
        positions: Tensor,
        cache: KvCache,
        first: int,
        start: int,
        mask: Tensor,
    ) -> Tensor:
        """As `Decoder.forward`, through these layers."""
        count, rows = len(x), bucket(len(x), ROWS)
        place = _place(layers, cache, first, start, start + count)
        if self.graphs is None or rows is None or mask.shape[1] > SLOTS:
            return self._through(layers, x, positions, mask.contiguous(), place.to(x.device))
        behind = rows - count  # of what fills up the pass nothing is stored, and nothing sees it
        seen = functional.pad(mask, (0, SLOTS - mask.shape[1], 0, behind))
        inputs = (functional.pad(x, (0, 0, 0, behind)), functional.pad(positions, (0, behind)), seen, place)
        return self.graphs.run(_name(layers), partial(self._through, layers), inputs)[:count]

    @property
    def captured_rows(self) -> Sequence[int]:
        """Counts of rows, one of each captured shape."""
        return () if self.graphs is None else ROWS

    @torch.inference_mode()
    def fault(self, graphs: Graphs, layers: Sequence[Layer], cache: KvCache) -> str:
        """What speaks against passes as graphs, found out with random rows in a cache that is nobody's; "" where
        nothing does. Raises torch.cuda.OutOfMemoryError where there is no room for a pass itself."""
        numbers, device, rows = torch.Generator().manual_seed(0), self._norm.device, ROWS[0]
        samples = []
        for start in (0, 9):
            x = torch.randn(rows, self._config.hidden_size, generator=numbers).to(device, self._norm.dtype)
            mask = torch.rand(rows, SLOTS, generator=numbers) < 0.5
            mask[:, 0] = True
            place = _place(layers, cache, 0, start, start + rows)
            samples.append((x, torch.arange(rows, device=device), mask.to(device), place))
        return fault(graphs, _name(layers), partial(self._through, layers), samples)

    def _through(self, layers: Sequence[Layer], x: Tensor, positions: Tensor, mask: Tensor, place: Tensor) -> Tensor:
        """Final hidden states [rows, hidden] of embeddings of that shape, whose rows stand where `place` says, int64
        [layers, 8]. `mask`, bool [rows, at least all slots], says by slot from the first on what each row sees."""
        eps, cos_sin = self._config.rms_norm_eps, self._rope.at(positions)
        normed = rms_norm(x, layers[0].input_layernorm, eps)
        following = [*(layer.input_layernorm for layer in layers[1:]), self._norm]
        for layer, row, next_norm in zip(layers, place, following, strict=True):
            mixed = self._mixed(layer.qkv_proj(normed), layer.qkv_bias, cos_sin, mask, row)
            x, normed = add_norm(x, layer.o_proj(mixed), layer.post_attention_layernorm, eps)
            inner = silu_times(layer.gate_proj(normed), layer.up_proj(normed))
            x, normed = add_norm(x, layer.down_proj(inner), next_norm, eps)
        return normed

    def _mixed(
        self, qkv: Tensor, bias: Tensor | None, cos_sin: tuple[Tensor, Tensor], mask: Tensor, row: Tensor
    ) -> Tensor:
        """[rows, heads * head_dim]; keys and values go where the `row` of the table says."""
        c = self._config
        heads = qkv.view(1, len(qkv), -1, c.head_dim)
        queries = rope_to_cache(heads, cos_sin, row, c.num_attention_heads, c.num_key_value_heads, bias=bias)
        return attention.cache_attention(queries, row, c.num_key_value_heads, c.head_dim**-0.5, mask=mask)[0]


def fit(config: DecoderConfig, dtype: torch.dtype) -> bool:
    """Whether the kernels take such heads."""
    return attention.fits(config.head_dim, dtype)


def _place(layers: Sequence[Layer], cache: KvCache, first: int, start: int, stop: int) -> Tensor:
    """A table of slots (`kernels/slots`) for these layers, on the host."""
    count = len(layers)
    each = zip(cache.keys[:count, None], cache.values[:count, None], strict=True)
    return slots.table(Slots(keys, values, first, start, stop) for keys, values in each)


def _name(layers: Sequence[Layer]) -> tuple[int, ...]:
    """A graph has its layers' weights in it."""
    return tuple(map(id, layers))
