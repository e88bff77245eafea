"""What can be chosen as the setting `model`: what Lacuna knows by name, what was pulled, and the directory in use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lacuna.engine.store import model_store, paths
from lacuna.lsp_server.model import auto_loading
from lacuna.lsp_server.model.auto import AUTO, CANDIDATE_NAMES

_AUTO_NOTE = "the default: the best that is pulled and fits this machine"
# Models that Lacuna has code for. What else is pulled is listed once it is there.
_KNOWN = {
    "qwen2.5-coder-1.5b": "1.5 billion parameters, for a fast CPU or a GPU",
    "qwen2.5-coder-0.5b": "0.5 billion parameters, for most CPUs",
    "smollm2-135m": "135 million parameters, for any CPU",
    "google/diffusiongemma-26B-A4B-it": "DiffusionGemma, 26 billion parameters, for a large GPU",
}


@dataclass(frozen=True)
class ModelOption:
    name: str  # the setting's value
    directory: Path | None  # where it is, of "auto" where all are; None where it was not pulled, or is damaged
    note: str  # for people


def model_options(chosen: str) -> list[ModelOption]:
    """The default first, then those that it stands for, the best first, then the others in the order of their names;
    `chosen` is the setting's present value."""
    stored = model_store.stored()
    others = sorted({*stored, *_KNOWN, chosen} - {AUTO, *CANDIDATE_NAMES})
    listed = [_option(name, _KNOWN.get(name, ""), name in stored) for name in (*CANDIDATE_NAMES, *others)]
    return [ModelOption(AUTO, paths.models() if auto_loading.pulled() else None, _AUTO_NOTE), *listed]


def _option(name: str, note: str, is_stored: bool) -> ModelOption:
    try:
        directory = model_store.find(name)
    except model_store.ModelMissing as error:
        return ModelOption(name, None, str(error) if is_stored or not note else note)
    size = sum(file.stat().st_size for file in directory.iterdir() if file.is_file())
    return ModelOption(name, directory, ", ".join(filter(None, (note, f"{size / 1e9:.1f} GB on disk"))))
