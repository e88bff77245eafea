"""GGUF's types of packed tensors that there is a codec for, by the names that ggml gives them."""

from __future__ import annotations

from collections.abc import Mapping

from lacuna.engine.layers.quantized.gguf_blocks import GgufBlocks
from lacuna.engine.layers.quantized.q4_0 import Q4_0
from lacuna.engine.layers.quantized.q4_k import Q4_K
from lacuna.engine.layers.quantized.q5_0 import Q5_0
from lacuna.engine.layers.quantized.q5_k import Q5_K
from lacuna.engine.layers.quantized.q6_k import Q6_K
from lacuna.engine.layers.quantized.q8_0 import Q8_0

GGUF_TYPES: Mapping[str, type[GgufBlocks]] = {kind.__name__: kind for kind in (Q4_0, Q5_0, Q8_0, Q4_K, Q5_K, Q6_K)}
