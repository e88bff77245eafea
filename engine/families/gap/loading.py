"""A gap family's model from its files: a base, and its adapter where it has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import lora
from lacuna.engine.families.gap.denoiser import GapConfig, GapDenoiser
from lacuna.engine.families.gap.edits.edit_writer import EditWriter
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.engine.families.gap.fim import templates
from lacuna.engine.layers import int4_linear, int8_linear, packed_linear, weight_files
from lacuna.engine.layers.dialects import claims
from lacuna.engine.layers.dialects.reading import read
from lacuna.engine.layers.dialects.translate import Plan
from lacuna.engine.layers.int8_linear import Int8Linear
from lacuna.engine.layers.linear import Linear, Matrix
from lacuna.engine.layers.packed_linear import Weight, floats
from lacuna.engine.models import architectures
from lacuna.engine.models.decoder import (
    EMBEDDING,
    FINAL_NORM,
    HEAD,
    ROPE_POSITIONS,
    Decoder,
    DecoderConfig,
    Layer,
    layer_name,
)
from lacuna.engine.store import model_store
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import LoadError

TOKENS = frozenset({EMBEDDING, HEAD})
ADAPTERS = Path(__file__).parents[2] / "adapters"
ADAPTER = "adapter"  # inside a model directory, where other engines do not take it for their own
EDITS = "edits"  # inside an adapter's directory, or a model's: a second adapter, taught with real edits


@dataclass(frozen=True)
class Forms:
    """What weights become."""

    base: Callable[[Tensor], Matrix]  # of layers that read alone
    layers: Callable[[Tensor], Matrix]
    head: Callable[[Tensor], Matrix]


STORED_FORMS = Forms(int4_linear.smallest, Linear, Linear)
INT8_FORMS = Forms(Int8Linear, Int8Linear, int8_linear.head)


def load(model: str, runtime: Runtime, adapter_at: Path | None = None) -> GapFiller:
    """A base by name or directory, with its adapter, or with that of the directory `adapter_at`. Raises ModelMissing
    or LoadError."""
    directory = model_store.find(model)
    config = read_config(directory)
    adapter_at = adapter_at or adapter_directory(model)
    adapted = lora.load(adapter_at, config, model) if adapter_at is not None else None
    plan = planned(directory, config)  # first: no tokenizer is larger than the matrix of its tokens
    tokenizer = Tokenizer(directory / "tokenizer.json", config.vocab_size)
    gap = _gap(adapted, config, tokenizer)
    forms = forms_of(runtime, gap.markers is not None)
    weights = _weights(directory, plan, runtime, forms)
    base_layers, canvas_layers = _layers(config, weights, adapted, gap, forms, runtime)
    embedding = floats(weights[EMBEDDING])
    lm_head = forms.head(embedding if config.is_tied else floats(weights[HEAD]))
    if runtime.device == "cpu":
        embedding = _mapped_again(directory, EMBEDDING)  # of which rows are taken as they are stored
    base = Decoder(config, base_layers, embedding, floats(weights[FINAL_NORM]), lm_head)
    # Copied, or it would keep the whole adapter mapped, 19 MB.
    mask = None if adapted is None else adapted.mask_embedding.to(runtime.device, runtime.torch_dtype, copy=True)
    canvas = base if canvas_layers is base_layers else base.with_layers(canvas_layers)
    denoiser = GapDenoiser(gap, base, canvas, mask)
    base.capture(denoiser.context().cache)
    places = (place / EDITS for place in (adapter_at, directory) if place is not None and gap.markers is not None)
    edits_at = next((place for place in places if (place / lora.CONFIG).exists()), None)
    edited = None if edits_at is None else _edited(edits_at, model, base, runtime)
    writer = None if edited is None else EditWriter(GapDenoiser(gap, edited, edited, None), tokenizer)
    return GapFiller(denoiser, tokenizer, runtime.threads, writer)


def adapter_directory(model: str) -> Path | None:
    """Where a model's adapter is: with us for a model we know by name, else beside the model or in ADAPTER there; None
    for a base in the FIM layout that has none. Raises ModelMissing and LoadError."""
    directory = ADAPTERS / model if model in model_store.NAMED_MODELS else model_store.find(model)
    for place in (directory, directory / ADAPTER):
        if (place / lora.CONFIG).exists():
            return place
    config = read_config(model_store.find(model))
    return None if config.model_type == architectures.QWEN2 else directory


def read_config(directory: Path) -> DecoderConfig:
    """Raises LoadError."""
    return architectures.read(config_file.read(directory / "config.json").values)


def planned(directory: Path, config: DecoderConfig) -> Plan:
    """What the directory holds, by the headers. Raises WeightsError that names every wrong tensor, and LoadError for a
    quantization_config that says something else or more than that."""
    return claims.planned(directory, config.shapes())


def forms_of(runtime: Runtime, is_fim: bool) -> Forms:
    """SmolLM2-135M reads prefix and suffix apart, and stays in float32: in 8 bits 9 % of its best tokens are others, of
    those of Qwen2.5-Coder 0.5B 2.6 %, and its passes are hardly faster."""
    return INT8_FORMS if runtime.is_int8 and is_fim else STORED_FORMS


def _weights(directory: Path, plan: Plan, runtime: Runtime, forms: Forms) -> dict[str, Weight]:
    """Every weight by its name. Packed ones stay so; the matrices of tokens are read as floats are, apart."""
    if not plan.formats():
        return {name: _moved(tensor, runtime, forms) for name, tensor in weight_files.stream(directory)}
    tokens = {name: _moved(tensor, runtime, forms) for name, tensor in weight_files.stream(directory) if name in TOKENS}
    rest = replace(plan, places={name: at for name, at in plan.places.items() if name not in TOKENS})
    found = read(directory, rest, runtime.device, runtime.torch_dtype)
    return tokens | {name: _moved(weight, runtime, forms) for name, weight in found}


def _layers(
    config: DecoderConfig,
    weights: dict[str, Weight],
    adapted: lora.Adapter | None,
    gap: GapConfig,
    forms: Forms,
    runtime: Runtime,
) -> tuple[list[Layer], list[Layer]]:
    """The base's layers and those of the canvas pass; in the FIM layout the same. Takes the weights out."""
    base_layers, canvas_layers = list[Layer](), list[Layer]()
    for number in range(config.num_hidden_layers):
        layer = {name: _ready(weights.pop(layer_name(number, name)), forms, runtime) for name in config.layer_shapes()}
        if gap.markers is None:
            assert adapted is not None, "prefix and suffix are read apart with an adapter alone"
            base_layers.append(Layer(layer, forms.base))
        canvas_layers.append(Layer(layer if adapted is None else adapted.merged(number, layer, runtime), forms.layers))
    return base_layers or canvas_layers, canvas_layers


def _ready(weight: Weight, forms: Forms, runtime: Runtime) -> Tensor | Matrix:
    """A packed matrix is multiplied with as it is, but where all matrices become 8 bits: it does, too."""
    if isinstance(weight, Tensor):
        return weight
    return (
        weight.decode(torch.float32) if forms is INT8_FORMS else packed_linear.linear(weight, dtype=runtime.torch_dtype)
    )


def _moved(weight: Weight, runtime: Runtime, forms: Forms) -> Weight:
    """Norms and biases are copied, or in float32 they would keep the whole checkpoint mapped. Matrices that become 8
    bits stay as they are until then: one layer at a time is larger."""
    if not isinstance(weight, Tensor) or (forms is INT8_FORMS and weight.dim() > 1):
        return weight
    return weight.to(runtime.device, runtime.torch_dtype, copy=weight.dim() == 1)


def _edited(directory: Path, model: str, base: Decoder, runtime: Runtime) -> Decoder:
    """The decoder that fills gaps with the factors of an edits adapter beside its matrices. Raises LoadError."""
    adapter = lora.load(directory, base.config, model, {})
    if set(adapter.config["target_modules"]) != lora.TARGETS:
        raise LoadError(f"the adapter in {directory} is not for all matrices: `lacuna train edits` makes one that is")
    layers = (layer.beside(partial(adapter.beside, number, runtime)) for number, layer in enumerate(base.layers))
    return base.with_layers(list(layers))


def is_fim(adapter_at: Path | None) -> bool:
    return adapter_at is None or GapConfig.is_fim(lora.config_of(adapter_at))


def _mapped_again(directory: Path, name: str) -> Tensor:
    """A tensor in a mapping of its own: rows that are never read take no memory, although packing has read them all."""
    return next(tensor for found, tensor in weight_files.stream(directory) if found == name)


def _gap(adapted: lora.Adapter | None, base: DecoderConfig, tokenizer: Tokenizer) -> GapConfig:
    if adapted is None or GapConfig.is_fim(adapted.config):
        gap = GapConfig.fim(templates.markers(tokenizer.marker), adapted.config if adapted is not None else {})
    else:
        gap = GapConfig.from_adapter(adapted.config, base.vocab_size)
    known = min(base.max_position_embeddings, ROPE_POSITIONS)
    if known < gap.positions:
        raise LoadError.of(
            "config.json", f"max_position_embeddings is {known:,}, and with this adapter {gap.positions:,} are needed"
        )
    return gap
