"""Which family answers a model, by the `model_type` of its config.json. A family is imported when it is needed."""

from __future__ import annotations

from pathlib import Path

from lacuna.engine.api import Filler
from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.store import model_store
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import LoadError

GAP = ("llama", "qwen2")
DIFFUSION_GEMMA = "diffusion_gemma"


def load(model: str, runtime: Runtime, adapter_name: str = "") -> Filler:
    """A model by name or directory, with another adapter than its own where one is named.

    Raises ModelMissing, LoadError, and ValueError for an adapter that is not there.
    """
    directory = model_store.find(model)
    if _model_type(directory) == DIFFUSION_GEMMA:
        from lacuna.engine.families.diffusion_gemma import loading as diffusion_gemma
        from lacuna.engine.families.diffusion_gemma import memory

        if adapter_name:
            raise ValueError(f"{model} takes no adapter: unset {adapter_name!r}")
        memory.check_room(directory, runtime)
        return diffusion_gemma.load(directory, runtime)
    from lacuna.engine.families.gap import loading, lora

    return loading.load(model, runtime, lora.trained(adapter_name) if adapter_name else None)


def needed(model: str, runtime: Runtime) -> Memory:
    """The memory that `load` and what is kept of documents will take. Reads config.json and at most the
    headers of the weights, and raises as `load`."""
    directory = model_store.find(model)
    if _model_type(directory) == DIFFUSION_GEMMA:
        from lacuna.engine.families.diffusion_gemma import memory

        return memory.needed(directory, runtime)
    from lacuna.engine.families.gap import loading

    return loading.needed(model, runtime)


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


def adapter_in_words(model: str, adapter_name: str = "") -> str | None:
    """The adapter that `load` takes; None for a model that needs none. Raises as `load`."""
    if _model_type(model_store.find(model)) == DIFFUSION_GEMMA:
        return None
    from lacuna.engine.families.gap import loading, lora

    directory = lora.trained(adapter_name) if adapter_name else loading.adapter_directory(model)
    return None if directory is None else lora.in_words(directory)


def _model_type(directory: Path) -> str:
    found = config_file.read(directory / "config.json").values.get("model_type")
    if found not in (*GAP, DIFFUSION_GEMMA):
        raise LoadError(
            f"config.json: model_type {str(found)[:60]!r} is not supported here, only {', '.join(GAP)} and "
            f"{DIFFUSION_GEMMA} are"
        )
    return str(found)
