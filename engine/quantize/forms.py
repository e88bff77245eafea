"""The forms that a model's weights may have, and which of them a device has memory for: arithmetic, nothing is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import INT8, Runtime
from lacuna.engine.families.diffusion_gemma import memory as diffusion_gemma
from lacuna.engine.families.diffusion_gemma import published
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.published import Checkpoint
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap import memory as gap
from lacuna.engine.layers.dialects.names import Place, Shape
from lacuna.engine.layers.dialects.translate import Plan
from lacuna.engine.layers.safetensors_file import Header
from lacuna.engine.load import DIFFUSION_GEMMA
from lacuna.engine.quantize import recipe
from lacuna.engine.quantize.jobs import jobs
from lacuna.engine.quantize.quantizers import Unquantizable
from lacuna.engine.quantize.recipe import INT4, Recipe
from lacuna.engine.store import model_store
from lacuna.engine.store.safetensors_stream import NAMES, size
from lacuna.engine.untrusted import config_file


@dataclass(frozen=True)
class Form:
    """One form of a model on one device."""

    name: str  # a dtype, or one of recipe.NAMES
    weights: int  # bytes, as they are loaded
    tokens: int  # of the longest prompt that there is memory for; 0 where it does not fit
    most_tokens: int  # of the longest prompt that is ever read

    @property
    def fits(self) -> bool:
        return self.tokens > 0

    @property
    def in_words(self) -> str:
        shorter = "" if self.tokens == self.most_tokens else f" of {self.most_tokens:,}"
        room = f"fits, with prompts of {self.tokens:,}{shorter} tokens" if self.fits else "does not fit"
        return f"{self.name}: {self.weights / 1e9:.2f} GB of weights, {room}"


def forms(model: str, runtime: Runtime, available: int, adapter_name: str = "") -> tuple[Form, ...]:
    """All forms of a model, the largest weights first, on a device with so many bytes available.

    `model` is one by name or directory, with its own adapter where none is named; of its files config.json is read, and
    the adapter's. Raises ModelMissing and LoadError, and ValueError for an adapter that is not there.
    """
    directory = model_store.find(model)
    fields = config_file.read(directory / "config.json").values
    if fields.get("model_type") == DIFFUSION_GEMMA:
        found = _of_diffusion_gemma(DiffusionGemmaConfig.from_hf(fields), runtime, available)
    else:
        found = _of_decoder(model, directory, runtime, available, adapter_name)
    return tuple(sorted(found, key=lambda form: -form.weights))


def advice(model: str, found: Sequence[Form], needed: Memory) -> str:
    """What to do where a model that needs so much does not fit: the largest smaller form that does, else another
    model."""
    fitting = [form for form in found if form.fits and form.weights < 0.99 * needed.weights]
    if not fitting:
        return "no smaller form of it fits: choose a smaller model, or another device"
    best = fitting[0]
    of = "ITS_ORIGINAL_WEIGHTS" if needed.formats else model
    how = f" (`lacuna quantize {of} OUT --to {best.name}`)" if best.name in recipe.NAMES else ""
    return f"choose it in {best.name}, which fits{how}, or a smaller model"


def known_checkpoints(model: str, runtime: Runtime, available: int) -> tuple[Form, ...]:
    """The published checkpoints of DiffusionGemma, likewise, by their names, whether they are there or not; none for a
    model of another family. Raises LoadError."""
    if model in model_store.NAMED_MODELS:
        return ()
    try:
        config = config_file.read(model_store.find(model) / "config.json").values
    except model_store.ModelMissing:
        config = {"model_type": DIFFUSION_GEMMA}  # the only ones that are known beside those with a name
    if config.get("model_type") != DIFFUSION_GEMMA:
        return ()
    return tuple(_of_checkpoint(checkpoint, runtime, available) for checkpoint in published.CHECKPOINTS.values())


def longest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `most` that fits, where all smaller ones do; 0 where 1 does not."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _of_diffusion_gemma(config: DiffusionGemmaConfig, runtime: Runtime, available: int) -> list[Form]:
    most = min(diffusion_gemma.PROMPT_TOKENS, config.max_position_embeddings)
    found = []
    for name, weights in _weights(config.shapes(), recipe.DIFFUSION_GEMMA, runtime).items():

        def fits(tokens: int, name: str = name, weights: int = weights) -> bool:
            rest = diffusion_gemma.beside(config, runtime, tokens, is_packed=name in recipe.NAMES)
            return weights + rest.total <= available

        whole = weights + diffusion_gemma.beside(config, runtime, most, is_packed=False).weights
        found.append(Form(name, whole, longest(most, fits), most))
    return found


def _of_checkpoint(checkpoint: Checkpoint, runtime: Runtime, available: int) -> Form:
    """With the published model's config."""
    config, most = published.CONFIG, diffusion_gemma.PROMPT_TOKENS
    needed = diffusion_gemma.of_plan(config, checkpoint.plan(config), runtime, most)

    def fits(tokens: int) -> bool:
        cache = diffusion_gemma.beside(config, runtime, tokens, is_packed=False).cache
        return needed.total - needed.cache + cache <= available

    return Form(checkpoint.name, needed.weights, longest(most, fits), most)


def _of_decoder(model: str, directory: Path, runtime: Runtime, available: int, adapter_name: str) -> list[Form]:
    config = loading.read_config(directory)
    adapter_at = lora.trained(adapter_name) if adapter_name else loading.adapter_directory(model)
    shapes = {name: shape for name, shape in config.shapes().items() if name not in loading.TOKENS}
    floats, packed = (gap.beside(config, runtime, adapter_at, is_packed=flag) for flag in (False, True))
    if gap.is_int8(runtime, adapter_at):
        weights = {INT8: sum(map(prod, shapes.values()))}
    else:
        weights = _weights(shapes, recipe.DECODER, runtime)
        copies = 1 if loading.is_fim(adapter_at) else 2  # of floats: with the adapter, and without it
        weights = {name: part * (1 if name in recipe.NAMES else copies) for name, part in weights.items()}
    found = []
    for name, part in weights.items():
        rest = packed if name in recipe.NAMES else floats
        needed = replace(rest, weights=rest.weights + part)
        found.append(Form(name, needed.weights, gap.PROMPT_TOKENS * (needed.total <= available), gap.PROMPT_TOKENS))
    return found


def _weights(shapes: Mapping[str, Shape], recipes: Mapping[str, Recipe], runtime: Runtime) -> dict[str, int]:
    """Bytes of weights with these shapes, in the runtime's dtype and by each recipe that can be followed."""
    floats = str(runtime.torch_dtype).removeprefix("torch.")
    headers = {name: Header(shape, NAMES[runtime.torch_dtype]) for name, shape in shapes.items()}
    plan = Plan({}, {name: Place(name, "weight") for name in shapes}, 0)
    found = {floats: sum(map(prod, shapes.values())) * runtime.torch_dtype.itemsize}
    for name, one in recipes.items():
        try:
            todo = jobs(headers, plan, one, text_only=True)
        except Unquantizable:  # rows that are no whole groups: there is no such form
            continue
        has_centres = (runtime.device, runtime.dtype) == ("cpu", "bfloat16")  # beside scales, for torch's int4 product
        centres = [job.layout[f"{job.module}.weight_scale"] for job in todo if has_centres and job.kind == INT4]
        found[name] = sum(job.nbytes for job in todo) + sum(size(*scale) for scale in centres)
    return found
