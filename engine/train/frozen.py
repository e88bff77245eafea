"""The frozen base as training needs it: its plain weights for the passes with gradients, and packed where it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.layers import weight_files
from lacuna.engine.layers.dialects import claims
from lacuna.engine.layers.linear import Linear
from lacuna.engine.models import architectures
from lacuna.engine.models.decoder import EMBEDDING, FINAL_NORM, HEAD, Decoder, Layer, layer_name
from lacuna.engine.store import model_store
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import LoadError


@dataclass(frozen=True)
class Frozen:
    decoder: Decoder  # without layers where the base itself reads nothing
    layers: list[Mapping[str, Tensor]]  # names as inside a layer
    head: Tensor  # [vocab, hidden], not packed: gradients flow through it
    tokenizer: Tokenizer

    @property
    def noise(self) -> Tensor:
        """[hidden]: what the mask vector of an adapter is at first, the embedding of "...". With it Qwen2.5-Coder-0.5B
        predicts masked positions with a cross-entropy of 8.8, with the mean of all embeddings of 15.8."""
        return self.decoder.embed(self.tokenizer.encode("...")[:1])[0].float()

    @property
    def norms(self) -> list[tuple[Tensor, Tensor]]:
        """Per layer, the norm before attention and the one before the MLP."""
        return [(layer["input_layernorm.weight"], layer["post_attention_layernorm.weight"]) for layer in self.layers]

    @property
    def biases(self) -> list[Tensor | None]:
        """Per layer, those of queries, keys and values one behind the other, [queries + keys + values]."""
        names = [f"self_attn.{name}_proj.bias" for name in "qkv"]
        found = ([layer[name] for name in names if name in layer] for layer in self.layers)
        return [torch.cat(biases) if biases else None for biases in found]


def load(model: str, runtime: Runtime, reads: bool = True) -> Frozen:
    """`reads`: whether the base itself reads, as it does prefixes where the adapter reads the canvas alone. In the FIM
    layout it does not, and 2.6 GB of the 1.5B's packed layers are not made.

    Raises ModelMissing or LoadError.
    """
    directory: Path = model_store.find(model)
    config = architectures.read(config_file.read(directory / "config.json").values)
    if claims.read(directory) is not None:
        raise LoadError(f"{directory} is quantized, and adapters are trained on floats: take the original weights")
    tensors = {
        name: tensor.to(runtime.device, runtime.torch_dtype, copy=True)
        for name, tensor in weight_files.checked(directory, config.shapes())
    }
    layers: list[Mapping[str, Tensor]] = [
        {name: tensors[layer_name(number, name)] for name in config.layer_shapes()}
        for number in range(config.num_hidden_layers)
    ]
    embedding = tensors[EMBEDDING]
    head = embedding if config.is_tied else tensors[HEAD]
    packed = [Layer(layer) for layer in layers] if reads else []
    decoder = Decoder(config, packed, embedding, tensors[FINAL_NORM], Linear(head))
    return Frozen(decoder, layers, head, Tokenizer(directory / "tokenizer.json", config.vocab_size))
