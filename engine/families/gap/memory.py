"""How much memory a model of the gap family needs, before a byte of it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap.edits import diff_continuation, two_versions
from lacuna.engine.families.gap.filler import SESSIONS
from lacuna.engine.families.gap.kv_context import FIM_PREFIX_TOKENS, SUFFIX_TOKENS, TAIL_TOKENS
from lacuna.engine.families.gap.session import CONTEXTS
from lacuna.engine.layers import packed_memory, weight_files
from lacuna.engine.layers.dialects.translate import Plan
from lacuna.engine.models.decoder import DecoderConfig
from lacuna.engine.store import model_store

PROMPT_TOKENS = SUFFIX_TOKENS + FIM_PREFIX_TOKENS  # a context has room for them, read or not


def needed(model: str, runtime: Runtime, adapter_at: Path | None) -> Memory:
    """What `load` with the adapter of a directory, or None, and the sessions will take at most: the base may fit into 4
    bits a weight (int4_linear.py). Raises ModelMissing, or ValueError for a config or a checkpoint that can't be run.
    """
    directory = model_store.find(model)
    config = loading.read_config(directory)
    plan = _planned(directory, config)
    formats = tuple(plan.formats()) if plan is not None else ()
    rest = beside(config, runtime, adapter_at, is_packed=False)
    if plan is not None and formats and not is_int8(runtime, adapter_at):
        layers = _packed(plan, runtime) + _factors(adapter_at, config, runtime)
        activations = rest.activations + packed_memory.decoded(plan, runtime)
        products = packed_memory.in_words(plan, runtime)
        return Memory(layers + rest.weights, rest.cache, activations, formats, products)
    layers = _unpacked(config, runtime, is_int8(runtime, adapter_at))
    layers *= 1 if loading.is_fim(adapter_at) else 2  # the base's, and those of the canvas pass
    products = f"in 8 bits, which {', '.join(formats)} becomes when it is loaded" if formats else ""
    return Memory(layers + rest.weights, rest.cache, rest.activations, products=products)


def base_weights(model: str, runtime: Runtime) -> int:
    """Bytes of a base's layers, at least, whichever adapter comes to them. Raises as `needed`."""
    directory = model_store.find(model)
    config = loading.read_config(directory)
    plan = _planned(directory, config)
    if plan is not None and plan.formats():
        return _packed(plan, runtime)
    return _unpacked(config, runtime, runtime.is_int8)


def is_int8(runtime: Runtime, adapter_at: Path | None) -> bool:
    """Whether matrices become 8 bits when they are loaded."""
    return loading.forms_of(runtime, loading.is_fim(adapter_at)) is loading.INT8_FORMS


def beside(config: DecoderConfig, runtime: Runtime, adapter_at: Path | None, *, is_packed: bool) -> Memory:
    """All but the layers' own weights; `is_packed` where those are decoded at every use, and have an adapter beside
    them."""
    size, embedding = runtime.torch_dtype.itemsize, config.vocab_size * config.hidden_size
    # On CPU it is there twice: packed for the head's product, and as it is stored to look tokens up.
    second = 2 if runtime.device == "cpu" else 0 if config.is_tied else size
    heads = (1 if is_int8(runtime, adapter_at) else size) + second
    contexts = CONTEXTS * SESSIONS + two_versions.CONTEXTS + diff_continuation.CONTEXTS
    slots = contexts * (SUFFIX_TOKENS + FIM_PREFIX_TOKENS + TAIL_TOKENS)
    cache = 2 * slots * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * size
    logits = 2 * TAIL_TOKENS * config.vocab_size * 4  # and probabilities
    decoded = 3 * size * max(map(prod, config.layer_shapes().values())) if is_packed else 0
    factors = _factors(adapter_at, config, runtime) if is_packed else 0
    return Memory(heads * embedding + factors, cache, logits + decoded)


def _factors(adapter_at: Path | None, config: DecoderConfig, runtime: Runtime) -> int:
    """Bytes of an adapter's factors."""
    adapter: Mapping[str, Any] = {} if adapter_at is None else lora.config_of(adapter_at)
    matrices = [
        shape
        for name, shape in config.layer_shapes().items()
        if name.removesuffix(".weight").split(".")[-1] in adapter.get("target_modules", ())
    ]
    ranks = config.num_hidden_layers * sum(adapter["r"] * sum(shape) for shape in matrices)
    return int(ranks * runtime.torch_dtype.itemsize)


def _planned(directory: Path, config: DecoderConfig) -> Plan | None:
    """None for a directory without weights."""
    return loading.planned(directory, config) if weight_files.exist(directory) else None


def _unpacked(config: DecoderConfig, runtime: Runtime, in_int8: bool) -> int:
    """Bytes of all layers in floats, or in 8 bits."""
    size = 1 if in_int8 else runtime.torch_dtype.itemsize
    return config.num_hidden_layers * sum(map(prod, config.layer_shapes().values())) * size


def _packed(plan: Plan, runtime: Runtime) -> int:
    """Bytes of all layers. Base and canvas pass share what is packed."""
    layers = (planned for name, planned in plan.weights.items() if name not in loading.TOKENS)
    return sum(packed_memory.loaded(planned, runtime) for planned in layers)
