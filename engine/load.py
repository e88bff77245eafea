"""Which family answers a model, by the `model_type` of its config.json. A family is imported when it is needed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lacuna.engine.api import Filler
from lacuna.engine.device import memory
from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.store import model_store
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import LoadError

GAP = ("llama", "qwen2")
DIFFUSION_GEMMA = "diffusion_gemma"


def load(model: str, runtime: Runtime, adapter_name: str = "") -> Filler:
    """A model by name or directory, with another adapter than its own where one is named.

    Raises ModelMissing, LoadError, which says what to choose instead where memory is not enough, and ValueError for an
    adapter that is not there.
    """
    directory = model_store.find(model)
    try:
        if _model_type(directory) == DIFFUSION_GEMMA:
            return _diffusion_gemma(model, directory, runtime, adapter_name)
        from lacuna.engine.families.gap import loading

        return loading.load(model, runtime, _adapter_at(model, runtime, adapter_name))
    except (RuntimeError, MemoryError) as error:
        if not memory.is_out(error):
            raise
        traceback.clear_frames(error.__traceback__)  # which hold what was loaded
        memory.give_back()
        instead = _instead(model, runtime, memory.available(runtime), adapter_name)
        raise LoadError(f"{directory} is more than {runtime.device} has memory for: {instead}") from error


def _diffusion_gemma(model: str, directory: Path, runtime: Runtime, adapter_name: str) -> Filler:
    """Weights that are more than the memory there is are not begun: else a GPU says so in terms of its allocator, and a
    system ends the process."""
    from lacuna.engine.families.diffusion_gemma import loading

    weights, free = needed(model, runtime, adapter_name).weights, memory.available(runtime)
    if weights > free:
        raise LoadError(_too_large(directory, weights, free, runtime, _instead(model, runtime, free)))
    return loading.load(directory, runtime)


def _adapter_at(model: str, runtime: Runtime, adapter_name: str) -> Path | None:
    """The directory of the adapter that a model of the gap family is loaded with; None where it needs none. Raises
    LoadError for one that is not there or does not fit, which says what else would be met next: who mends the adapter
    may have too little memory for the base alone."""
    from lacuna.engine.families.gap import loading, lora
    from lacuna.engine.families.gap import memory as of_gap

    config = loading.read_config(model_store.find(model))
    try:
        found = lora.trained(adapter_name) if adapter_name else loading.adapter_directory(model)
        if found is not None:
            lora.load(found, config, model)
    except ValueError as error:
        more = _also_wrong(model, runtime, partial(of_gap.base_weights, model, runtime))
        if not more:
            raise
        raise LoadError(f"{error}; and {more}") from error
    return found


def _also_wrong(model: str, runtime: Runtime, counted: Callable[[], int]) -> str:
    """What is wrong without any adapter: that the weights, `counted`, are more than there is memory for, or that they
    cannot be counted. "" where nothing is."""
    try:
        weights, free = counted(), memory.available(runtime)
    except LoadError as error:
        return str(error)
    instead = "choose a smaller model, or another device"
    return f"without it {_too_large(model, weights, free, runtime, instead)}" if weights > free else ""


def _too_large(model: str | Path, weights: int, free: int, runtime: Runtime, instead: str) -> str:
    return (
        f"{model} has weights of {weights / 1e9:.1f} GB, and {runtime.device} has {free / 1e9:.1f} GB available: "
        f"{instead}"
    )


def _instead(model: str, runtime: Runtime, free: int, adapter_name: str = "") -> str:
    """What to choose where a model does not fit."""
    from lacuna.engine.quantize import forms

    return forms.advice(model, forms.forms(model, runtime, free, adapter_name), needed(model, runtime, adapter_name))


def needed(model: str, runtime: Runtime, adapter_name: str = "") -> Memory:
    """The memory that `load` and what is kept of documents will take. Reads config.json and at most the
    headers of the weights, and raises as `load`."""
    directory = model_store.find(model)
    if _model_type(directory) == DIFFUSION_GEMMA:
        from lacuna.engine.families.diffusion_gemma import memory as of_diffusion_gemma

        found = of_diffusion_gemma.needed(directory, runtime)
        if adapter_name:
            more = _also_wrong(model, runtime, lambda: found.weights)
            raise LoadError(f"{model} takes no adapter: unset {adapter_name!r}{f'; and {more}' if more else ''}")
        return found
    from lacuna.engine.families.gap import memory as of_gap

    return of_gap.needed(model, runtime, _adapter_at(model, runtime, adapter_name))


def takes_adapter(model: str, adapter_name: str) -> bool:
    """Whether an adapter fits a model of the gap family: it was made for one of the same shape. Raises ValueError for
    an adapter that is not there, and ModelMissing, LoadError for a model that cannot be read."""
    from lacuna.engine.families.gap import loading, lora

    base, directory = loading.read_config(model_store.find(model)), lora.trained(adapter_name)
    try:
        lora.load(directory, base, model)
    except LoadError:
        return False
    return True


def own_adapter(model: str) -> Path | None:
    """The directory of the adapter that a model of this name, or in this directory, has; None where it has none, as
    whatever is not of the gap family. Raises ModelMissing and LoadError."""
    if _said(model_store.find(model)) not in GAP:
        return None
    from lacuna.engine.families.gap import loading, lora

    directory = loading.adapter_directory(model)
    return directory if directory is not None and (directory / lora.CONFIG).exists() else None


def adapter_in_words(model: str, adapter_name: str = "") -> str | None:
    """The adapter that `load` takes; None for a model that needs none. Raises as `load`."""
    if _model_type(model_store.find(model)) == DIFFUSION_GEMMA:
        return None
    from lacuna.engine.families.gap import loading, lora

    directory = lora.trained(adapter_name) if adapter_name else loading.adapter_directory(model)
    return None if directory is None else lora.in_words(directory)


def is_known(directory: Path) -> bool:
    """Whether a model directory is of a family that `load` knows. Raises LoadError for a config.json that is none."""
    return _said(directory) in (*GAP, DIFFUSION_GEMMA)


def _said(directory: Path) -> object:
    return config_file.read(directory / "config.json").values.get("model_type")


def _model_type(directory: Path) -> str:
    found = _said(directory)
    if found not in (*GAP, DIFFUSION_GEMMA):
        raise LoadError(
            f"config.json: model_type {str(found)[:60]!r} is not supported here, only {', '.join(GAP)} and "
            f"{DIFFUSION_GEMMA} are"
        )
    return str(found)
