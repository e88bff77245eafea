"""The model under evaluation: loaded, and named by what its answers depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine import adapter, fetch, gap_filler, hub, runtime
from engine.models.gap import GapDenoiser
from engine.threads import FreeCores
from engine.tokenizer import Tokenizer

# The modules of engine/ that decide what is answered: when one changes, everything is answered anew, or what the canvas
# answers alone. The gate is not among them: it is asked when answers are counted.
_OF_ALL = (
    "adapter", "cache", "canvas", "context", "copies", "draft_tree", "gap", "int4_linear", "judge", "lane", "linear",
    "models/gap", "models/llama", "rope", "seams", "session", "tokenizer", "window", "evaluate/base_alone",
    "evaluate/reader",
)  # fmt: skip
_OF_THE_CANVAS = ("branches", "canvas_tree", "drafting", "endings", "sampler", "evaluate/end_of_hole")


@dataclass(frozen=True)
class Subject:
    denoiser: GapDenoiser
    tokenizer: Tokenizer
    check: Callable[[], None]  # before every pass: leaves cores to programs that need them
    base_name: str  # hashes: of the base and its code, and of the adapter and the canvas' code too
    name: str

    def count(self, text: str) -> int:
        """How many tokens a text is, on its own."""
        return len(self.tokenizer.encode(text))


def load(model: str, adapter_at: Path | None = None, device: str = "auto", dtype: str = "auto") -> Subject:
    """A model of the `gap` family, by name or directory, with its own adapter or that of another directory.

    Raises ModelMissing, WeightsError, or ValueError for a config it can't run.
    """
    chosen = runtime.choose(device, dtype)
    filler = gap_filler.load(model, chosen, adapter_at)
    weights = fetch.sha256(hub.find(model) / "model.safetensors")
    base_name = _short(chosen.device, chosen.dtype, _code(_OF_ALL), weights)
    directory = adapter_at or gap_filler.adapter_directory(model)
    said = filler.denoiser.config
    adapted = fetch.sha256(directory / adapter.FILE) + repr(
        (said.canvas_lengths, said.suffix_distance, said.adapted_suffix)
    )
    cores = FreeCores(chosen.threads) if chosen.threads else None

    def check() -> None:
        if cores is not None:
            cores.update()

    return Subject(
        filler.denoiser, filler.tokenizer, check, base_name, _short(base_name, _code(_OF_THE_CANVAS), adapted)
    )


def _code(names: tuple[str, ...]) -> str:
    code = hashlib.sha256()
    for name in names:
        code.update((Path(gap_filler.__file__).parent / f"{name}.py").read_bytes())
    return code.hexdigest()


def _short(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
