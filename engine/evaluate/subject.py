"""The model under evaluation: loaded, and named by what its answers depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lacuna.engine.device import runtime
from lacuna.engine.device.cpu_threads import FreeCores
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.store import fetch, model_store
from lacuna.engine.text.byte_bpe import Tokenizer

ENGINE = Path(__file__).parents[1]
# Of these two folders nothing decides what is answered, but for the modules that ask.
_APART = ("train", "evaluate")
_ASKING = ("base_alone", "end_of_hole", "methods", "reader")


@dataclass(frozen=True)
class Subject:
    denoiser: GapDenoiser
    tokenizer: Tokenizer
    check: Callable[[], None]  # before every pass: leaves cores to programs that need them
    base_name: str  # hashes: of the base and all code, and of the adapter too
    name: str

    def count(self, text: str) -> int:
        """How many tokens a text is, on its own."""
        return len(self.tokenizer.encode(text))


def load(model: str, adapter_at: Path | None = None, device: str = "auto", dtype: str = "auto") -> Subject:
    """A model of the `gap` family, by name or directory, with its own adapter or that of another directory.

    Raises ModelMissing, WeightsError, or ValueError for a config it can't run.
    """
    chosen = runtime.choose(device, dtype)
    filler = loading.load(model, chosen, adapter_at)
    weights = _digest(sorted(model_store.find(model).glob("*.safetensors")))
    base_name = _short(chosen.device, chosen.dtype, code(), weights)
    directory = adapter_at or loading.adapter_directory(model)
    said = filler.denoiser.config
    adapted = _digest([] if directory is None else [directory / lora.FILE])
    adapted += repr((said.canvas_lengths, said.suffix_distance, said.adapted_suffix))
    cores = FreeCores(chosen.threads) if chosen.threads else None

    def check() -> None:
        if cores is not None:
            cores.update()

    return Subject(filler.denoiser, filler.tokenizer, check, base_name, _short(base_name, adapted))


def code(root: Path = ENGINE) -> str:
    """A hash of all modules that answers may depend on, wherever they are: moving one changes nothing."""
    files = [file for file in root.rglob("*.py") if file.relative_to(root).parts[0] not in _APART]
    files += [root / "evaluate" / f"{name}.py" for name in _ASKING]
    return _short(*sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))


def _digest(files: Sequence[Path]) -> str:
    return _short(*map(fetch.sha256, files))


def _short(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
