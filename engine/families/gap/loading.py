"""A gap family's model from its files: a base, and its adapter where it has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from torch import Tensor

from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import lora
from lacuna.engine.families.gap.denoiser import GapConfig, GapDenoiser
from lacuna.engine.families.gap.edits import two_versions
from lacuna.engine.families.gap.filler import SESSIONS, GapFiller
from lacuna.engine.families.gap.fim import templates
from lacuna.engine.families.gap.kv_context import FIM_PREFIX_TOKENS, SUFFIX_TOKENS, TAIL_TOKENS
from lacuna.engine.families.gap.session import CONTEXTS
from lacuna.engine.layers import int4_linear, int8_linear, weight_files
from lacuna.engine.layers.int8_linear import Int8Linear
from lacuna.engine.layers.linear import Linear, Matrix
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

ADAPTERS = Path(__file__).parents[2] / "adapters"


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
    found = weight_files.checked(
        directory, config.shapes()
    )  # first: no tokenizer is larger than the matrix of its tokens
    tokenizer = Tokenizer(directory / "tokenizer.json", config.vocab_size)
    gap = _gap(adapted, config, tokenizer)
    forms = _forms(runtime, gap.markers is not None)
    tensors = {name: _moved(tensor, runtime, forms) for name, tensor in found}
    base_layers, canvas_layers = _layers(config, tensors, adapted, gap, forms)
    lm_head = forms.head(tensors[EMBEDDING if config.is_tied else HEAD])
    if runtime.device == "cpu":
        tensors[EMBEDDING] = _mapped_again(directory, EMBEDDING)  # of which rows are taken as they are stored
    base = Decoder(config, base_layers, tensors[EMBEDDING], tensors[FINAL_NORM], lm_head)
    # Copied, or it would keep the whole adapter mapped, 19 MB.
    mask = None if adapted is None else adapted.mask_embedding.to(runtime.device, runtime.torch_dtype, copy=True)
    denoiser = GapDenoiser(gap, base, canvas_layers, mask)
    base.capture(denoiser.context().cache)
    return GapFiller(denoiser, tokenizer, runtime.threads)


def adapter_directory(model: str) -> Path | None:
    """Where a model's adapter is: with us for a model we know by name, else beside the model; None for a base in the
    FIM layout that has none. Raises ModelMissing and LoadError."""
    directory = ADAPTERS / model if model in model_store.NAMED_MODELS else model_store.find(model)
    if (directory / lora.CONFIG).exists():
        return directory
    config = read_config(model_store.find(model))
    return None if config.model_type == architectures.QWEN2 else directory


def needed(model: str, runtime: Runtime) -> Memory:
    """What `load` and the sessions will take at most: the base may fit into 4 bits a weight (int4_linear.py). Raises
    ModelMissing, or ValueError for a config that can't be run."""
    config, size = read_config(model_store.find(model)), runtime.torch_dtype.itemsize
    is_fim = _is_fim(adapter_directory(model))
    packed = 1 if _forms(runtime, is_fim) is INT8_FORMS else size
    layers = config.num_hidden_layers * sum(map(prod, config.layer_shapes().values()))
    layers *= 1 if is_fim else 2  # the base's, and those of the canvas pass
    embedding = config.vocab_size * config.hidden_size
    # On CPU it is there twice: packed for the head's product, and as it is stored to look tokens up.
    heads = packed + (2 if runtime.device == "cpu" else 0 if config.is_tied else size)
    slots = (CONTEXTS * SESSIONS + two_versions.CONTEXTS) * (SUFFIX_TOKENS + FIM_PREFIX_TOKENS + TAIL_TOKENS)
    cache = 2 * slots * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    logits = TAIL_TOKENS * config.vocab_size * 4
    return Memory(layers * packed + heads * embedding, cache * size, 2 * logits)  # logits and probabilities


def read_config(directory: Path) -> DecoderConfig:
    """Raises LoadError."""
    return architectures.read(config_file.read(directory / "config.json").values)


def _layers(
    config: DecoderConfig, tensors: dict[str, Tensor], adapted: lora.Adapter | None, gap: GapConfig, forms: Forms
) -> tuple[list[Layer], list[Layer]]:
    """The base's layers and those of the canvas pass; in the FIM layout the same. Takes the tensors out."""
    base_layers, canvas_layers = list[Layer](), list[Layer]()
    for number in range(config.num_hidden_layers):
        layer = {name: tensors.pop(layer_name(number, name)) for name in config.layer_shapes()}
        if gap.markers is None:
            assert adapted is not None, "prefix and suffix are read apart with an adapter alone"
            base_layers.append(Layer(layer, forms.base))
        canvas_layers.append(Layer(layer if adapted is None else adapted.merged(number, layer), forms.layers))
    return base_layers or canvas_layers, canvas_layers


def _forms(runtime: Runtime, is_fim: bool) -> Forms:
    """SmolLM2-135M reads prefix and suffix apart, and stays in float32: in 8 bits 9 % of its best tokens are others, of
    those of Qwen2.5-Coder 0.5B 2.6 %, and its passes are hardly faster."""
    return INT8_FORMS if runtime.is_int8 and is_fim else STORED_FORMS


def _moved(tensor: Tensor, runtime: Runtime, forms: Forms) -> Tensor:
    """Norms and biases are copied, or in float32 they would keep the whole checkpoint mapped. Matrices that become 8
    bits stay as they are until then: one layer at a time is larger."""
    if forms is INT8_FORMS and tensor.dim() > 1:
        return tensor
    return tensor.to(runtime.device, runtime.torch_dtype, copy=tensor.dim() == 1)


def _is_fim(adapter_at: Path | None) -> bool:
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
