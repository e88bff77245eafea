"""From a checkpoint's files to a model: names checked first, then one tensor at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import gguf_checkpoint
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.layer import Layer
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.families.diffusion_gemma.self_conditioning import SelfConditioning
from lacuna.engine.layers import weight_files
from lacuna.engine.layers.dialects import claims
from lacuna.engine.layers.dialects.reading import read
from lacuna.engine.layers.dialects.translate import Plan, translate
from lacuna.engine.layers.packed_linear import Weight, floats
from lacuna.engine.untrusted import config_file

DECODER, ENCODER = "model.decoder.", "model.encoder.language_model."
VISION = ("model.encoder.vision_tower.", "model.encoder.embed_vision.")
SCALAR = ".layer_scalar"  # the one weight that encoder and decoder do not share

logger = logging.getLogger(__name__)


def load(directory: Path, runtime: Runtime) -> DiffusionGemma:
    """The text path of a checkpoint directory.

    Raises WeightsError that names every wrong tensor, or LoadError for a config that is not supported.
    """
    config = DiffusionGemmaConfig.from_hf(config_file.read(directory / "config.json").values)
    plan = planned(directory, config)
    if plan.ignored:
        logger.info("%d tensors are not read: what is of vision, or follows from config.json", plan.ignored)
    if plan.formats():
        logger.info("weights are kept as they are packed: %s", ", ".join(plan.formats()))
    return assemble(config, read(weight_files.source(directory), plan, runtime.device, runtime.torch_dtype), runtime)


def planned(directory: Path, config: DiffusionGemmaConfig) -> Plan:
    """What the directory holds of the text path, by the headers. Raises WeightsError that names every wrong tensor,
    and LoadError for a quantization_config, or a GGUF file, that says something else or more than that."""
    source = weight_files.source(directory)
    if source == directory:
        return claims.planned(directory, config.shapes(), canonical, VISION)
    claimed = claims.read(directory)
    if claimed is not None:
        claimed.fields.refuse(f"it says how weights are quantized, and they are those of {source.name}")
    gguf_checkpoint.check(source, config)
    return translate(source, config.shapes(), gguf_checkpoint.canonical, gguf_checkpoint.NOT_READ)


def canonical(name: str) -> str:
    """Our name for a tensor: what encoder and decoder share may stand under either, experts in a `moe` too."""
    name = name.replace(".moe.experts.", ".experts.", 1)
    shared = name.startswith(ENCODER) and not name.endswith(SCALAR)
    return f"{DECODER}{name.removeprefix(ENCODER)}" if shared else name


def assemble(config: DiffusionGemmaConfig, weights: Iterable[tuple[str, Weight]], runtime: Runtime) -> DiffusionGemma:
    """The model of all weights that `config.shapes()` names, each with its name. None is held longer than needed."""
    builder = _Builder(config)
    for name, weight in weights:
        if isinstance(weight, Tensor):
            builder.add(name, weight.to(runtime.device, runtime.torch_dtype))
        else:
            builder.add(name, weight.to(runtime.device))
    return builder.build()


class _Builder:
    """Turns a layer's weights into a layer as soon as all are there, so no more than one layer is ever held twice."""

    def __init__(self, config: DiffusionGemmaConfig) -> None:
        self._config = config
        self._weights: dict[str, Weight] = {}
        self._layers: dict[int, Layer] = {}
        # A layer's weights, and the encoder's scalar.
        self._missing = {number: len(config.layer_shapes(number)) + 1 for number in range(config.num_hidden_layers)}

    def add(self, name: str, weight: Weight) -> None:
        """Each weight once."""
        self._weights[name] = weight
        for part in (DECODER, ENCODER):
            if name.startswith(f"{part}layers."):
                number = int(name.removeprefix(f"{part}layers.").split(".")[0])
                self._missing[number] -= 1
                if not self._missing[number]:
                    self._complete(number)

    def build(self) -> DiffusionGemma:
        conditioning = self._take(f"{DECODER}self_conditioning.")
        layers = [self._layers[number] for number in range(self._config.num_hidden_layers)]
        embed_tokens, norm = (floats(self._weights[f"{DECODER}{name}.weight"]) for name in ("embed_tokens", "norm"))
        return DiffusionGemma(
            self._config, layers, embed_tokens, norm, SelfConditioning(conditioning, self._config.rms_norm_eps)
        )

    def _complete(self, number: int) -> None:
        encoder_scalar = floats(self._weights.pop(f"{ENCODER}layers.{number}{SCALAR}"))
        self._layers[number] = Layer(self._take(f"{DECODER}layers.{number}."), self._config, number, encoder_scalar)

    def _take(self, prefix: str) -> dict[str, Weight]:
        names = [name for name in self._weights if name.startswith(prefix)]
        return {name.removeprefix(prefix): self._weights.pop(name) for name in names}
