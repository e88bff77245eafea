"""The frozen base as training needs it: packed for reading, and its plain weights for the canvas pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.layers import weight_files
from lacuna.engine.layers.linear import Linear
from lacuna.engine.models.llama import Layer, Llama, LlamaConfig
from lacuna.engine.store import model_store
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.untrusted import config_file


@dataclass(frozen=True)
class Frozen:
    llama: Llama
    layers: list[Mapping[str, Tensor]]  # names as inside a layer
    tokenizer: Tokenizer

    @property
    def norms(self) -> list[tuple[Tensor, Tensor]]:
        """Per layer, the norm before attention and the one before the MLP."""
        return [(layer["input_layernorm"], layer["post_attention_layernorm"]) for layer in self.layers]


def load(model: str, runtime: Runtime) -> Frozen:
    """Raises ModelMissing or LoadError."""
    directory: Path = model_store.find(model)
    config = LlamaConfig.from_hf(config_file.read(directory / "config.json").values)
    tensors = {
        name: tensor.to(runtime.device, runtime.torch_dtype, copy=True)
        for name, tensor in weight_files.checked(directory, config.shapes())
    }
    layers: list[Mapping[str, Tensor]] = [
        {name: tensors[f"model.layers.{number}.{name}.weight"] for name in config.layer_shapes()}
        for number in range(config.num_hidden_layers)
    ]
    embedding = tensors["model.embed_tokens.weight"]
    llama = Llama(
        config, [Layer(layer) for layer in layers], embedding, tensors["model.norm.weight"], Linear(embedding)
    )
    return Frozen(llama, layers, Tokenizer(directory / "tokenizer.json", config.vocab_size))
