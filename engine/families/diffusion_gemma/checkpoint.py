"""From a checkpoint's files to a model: names checked first, then one tensor at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.layer import Layer
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.families.diffusion_gemma.self_conditioning import SelfConditioning
from lacuna.engine.layers import weight_files
from lacuna.engine.untrusted import config_file

DECODER, ENCODER = "model.decoder.", "model.encoder.language_model."
VISION = ("model.encoder.vision_tower.", "model.encoder.embed_vision.")

logger = logging.getLogger(__name__)


def load(directory: Path, runtime: Runtime) -> DiffusionGemma:
    """The text path of a checkpoint directory.

    Raises WeightsError that names every wrong tensor, or LoadError for a config that is not supported.
    """
    config = DiffusionGemmaConfig.from_hf(config_file.read(directory / "config.json").values)
    found = weight_files.shapes(directory)
    vision = {name: shape for name, shape in found.items() if name.startswith(VISION)}
    if vision:
        logger.info("%d vision tensors are not read: Lacuna fills text", len(vision))
    text = (named for named in weight_files.checked(directory, config.shapes() | vision) if named[0] not in vision)
    return assemble(config, text, runtime)


def assemble(config: DiffusionGemmaConfig, tensors: Iterable[tuple[str, Tensor]], runtime: Runtime) -> DiffusionGemma:
    """The model of all tensors that `config.shapes()` names, each with its name. None is held longer than needed."""
    builder = _Builder(config)
    for name, tensor in tensors:
        builder.add(name, tensor.to(runtime.device, runtime.torch_dtype))
    return builder.build()


class _Builder:
    """Turns a layer's tensors into a layer as soon as all are there, so no more than one layer is ever held twice."""

    def __init__(self, config: DiffusionGemmaConfig) -> None:
        self._config = config
        self._tensors: dict[str, Tensor] = {}
        self._layers: dict[int, Layer] = {}

    def add(self, name: str, tensor: Tensor) -> None:
        self._tensors[name] = tensor
        for part in (DECODER, ENCODER):
            if name.startswith(f"{part}layers."):
                self._complete(int(name.removeprefix(f"{part}layers.").split(".")[0]))

    def build(self) -> DiffusionGemma:
        conditioning = self._take(f"{DECODER}self_conditioning.")
        layers = [self._layers[number] for number in range(self._config.num_hidden_layers)]
        embed_tokens, norm = self._tensors[f"{DECODER}embed_tokens.weight"], self._tensors[f"{DECODER}norm.weight"]
        return DiffusionGemma(
            self._config, layers, embed_tokens, norm, SelfConditioning(conditioning, self._config.rms_norm_eps)
        )

    def _complete(self, number: int) -> None:
        prefix, scalar = f"{DECODER}layers.{number}.", f"{ENCODER}layers.{number}.layer_scalar"
        wanted = {f"{prefix}{name}" for name in self._config.layer_shapes(number)} | {scalar}
        if wanted <= self._tensors.keys():
            encoder_scalar = self._tensors.pop(scalar)
            self._layers[number] = Layer(self._take(prefix), self._config, number, encoder_scalar)

    def _take(self, prefix: str) -> dict[str, Tensor]:
        names = [name for name in self._tensors if name.startswith(prefix)]
        return {name.removeprefix(prefix): self._tensors.pop(name) for name in names}
