"""What can be chosen as the setting `model`: what Lacuna knows by name, what was pulled, and the directory in use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lacuna.engine.store import model_store

# Repositories that Lacuna has code for. What else is pulled is listed once it is there.
_KNOWN = {"google/diffusiongemma-26B-A4B-it": "DiffusionGemma, 26 billion parameters, for a large GPU"}
_EMBEDDED_NOTE = "the default, 135 million parameters, for any CPU"


@dataclass(frozen=True)
class ModelOption:
    name: str  # the setting's value
    directory: Path | None  # where it is; None where it was not pulled, or is damaged
    note: str  # for people


def model_options(chosen: str) -> list[ModelOption]:
    """The default first, then the others in the order of their names; `chosen` is the setting's present value."""
    stored, notes = model_store.stored(), {model_store.EMBEDDED: _EMBEDDED_NOTE, **_KNOWN}
    others = sorted({*stored, *notes, chosen} - {model_store.EMBEDDED})
    return [_option(name, notes.get(name, ""), name in stored) for name in (model_store.EMBEDDED, *others)]


def _option(name: str, note: str, is_stored: bool) -> ModelOption:
    try:
        directory = model_store.find(name)
    except model_store.ModelMissing as error:
        return ModelOption(name, None, str(error) if is_stored or not note else note)
    size = sum(file.stat().st_size for file in directory.iterdir() if file.is_file())
    return ModelOption(name, directory, ", ".join(filter(None, (note, f"{size / 1e9:.1f} GB on disk"))))
