"""The model under evaluation: loaded, and named by what its answers depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap.confidence import UNFITTED
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.engine.store import fetch, model_store

ENGINE = Path(__file__).parents[1]
_APART = ("train", "evaluate")  # folders that decide nothing of what is answered
_ASKING = "evaluate/fills.py"  # but for the module that asks


@dataclass(frozen=True)
class Subject:
    filler: GapFiller
    name: str  # a hash of code, weights and adapter


def load(
    model: str,
    adapter_at: Path | None = None,
    besides: Sequence[Path] = (),
    device: str = "auto",
    dtype: str = "auto",
) -> Subject:
    """A model of the gap family, by name or directory, with its own adapter or that of another directory.

    `besides` are modules outside the engine that decide what is asked and what becomes of it: they are in the name too.
    Raises ModelMissing, or LoadError for a model that can't be run.
    """
    chosen = runtime.choose(device, dtype)
    filler = loading.load(model, chosen, adapter_at)
    directory = adapter_at or loading.adapter_directory(model)
    weights = sorted(model_store.find(model).glob("*.safetensors"))
    adapter = [] if directory is None else [directory / lora.FILE]
    # All of the adapter's config counts but its confidence model, which judges answers and makes none.
    config = repr(replace(filler.denoiser.config, gate=UNFITTED))
    decided_by = code([*deciding(), *besides])
    name = short(chosen.device, chosen.dtype, decided_by, _digest(weights), _digest(adapter), config)
    return Subject(filler, name)


def deciding(root: Path = ENGINE) -> list[Path]:
    """The engine's modules that answers may depend on."""
    files = [file for file in root.rglob("*.py") if file.relative_to(root).parts[0] not in _APART]
    return [*files, root / _ASKING]


def code(files: Iterable[Path]) -> str:
    """A hash of modules, wherever they are: moving one changes nothing."""
    return short(*sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))


def short(*parts: str) -> str:
    """A hash of texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _digest(files: Sequence[Path]) -> str:
    return short(*map(fetch.sha256, files))
