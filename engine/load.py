"""The engine's front door: one loaded model that fills gaps, of whatever family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Protocol

from engine.api import Extent, Frame, Gap, Infill
from engine.device.memory import Memory
from engine.device.runtime import Runtime
from engine.families.diffusion_gemma import filler, memory
from engine.families.gap import filler as gap_filler
from engine.families.gap import lora
from engine.families.shared.patch_ranking import Patch, Patched, Wish
from engine.families.shared.surprise import Passage, Surprise
from engine.store import model_store
from engine.untrusted import config_file
from engine.untrusted.load_error import LoadError

# Values of model_type in a config.json.
GAP = "llama"
DIFFUSION_GEMMA = "diffusion_gemma"


class Filler(Protocol):
    """Fills gaps and patches, one at a time: it is used from one thread."""

    can_rewrite: bool  # whether `rewrite` may be called: the model follows instructions
    extent: Extent

    def infill(
        self,
        gap: Gap,
        *,
        document: str = "",
        drafts: int = 1,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
    ) -> list[Infill]:
        """Fills for a gap, the best first and at least one. The same gap gives the same fills, as long as
        the window that is read begins where it did (engine/families/gap/prefix_window.py).

        `document` names what the gap is in: what was read for it is reused. Raises Stopped soon after `stop` is set.
        """

    def close(self, document: str) -> None:
        """Forgets what was read for a document."""

    def patch(
        self,
        patch: Patch,
        *,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        budget: float | None = None,
    ) -> Patched:
        """Fillings of all holes of a patch, the best first. The same patch gives the same fillings.

        After `budget` seconds, None for as many as the family finds right, it comes back with what was found until
        then: fewer fillings, or none. Where what lies from the first hole to the last is longer than a canvas, only the
        patch's drafts are judged.
        Raises Stopped soon after `stop` is set.
        """

    def surprises(
        self, passage: Passage, *, stop: Event | None = None, budget: float | None = None
    ) -> tuple[Surprise, ...]:
        """The words of a passage that an edit elsewhere made less likely, from left to right; none where the `budget`,
        as of `patch`, was not enough. Raises Stopped."""

    def rewrite(
        self, wish: Wish, *, stop: Event | None = None, on_text: Callable[[str], None] = lambda text: None
    ) -> str:
        """A block as an instruction wants it; `on_text` is told how it stands after every step. Raises Stopped."""


def load(model: str, runtime: Runtime, adapter_name: str = "") -> Filler:
    """A model by name or directory, with another adapter than its own where one is named.

    Raises ModelMissing, LoadError, and ValueError for an adapter that is not there.
    """
    directory = model_store.find(model)
    if _model_type(directory) == DIFFUSION_GEMMA:
        if adapter_name:
            raise ValueError(f"{model} takes no adapter: unset {adapter_name!r}")
        return filler.load(directory, runtime)
    return gap_filler.load(model, runtime, lora.trained(adapter_name) if adapter_name else None)


def needed(model: str, runtime: Runtime) -> Memory:
    """The memory that `load` and what is kept of documents will take. Reads config.json alone, and raises as `load`."""
    directory = model_store.find(model)
    if _model_type(directory) == DIFFUSION_GEMMA:
        return memory.needed(directory, runtime)
    return gap_filler.needed(model, runtime)


def adapter_in_words(model: str, adapter_name: str = "") -> str | None:
    """The adapter that `load` takes; None for a model that needs none. Raises as `load`."""
    if _model_type(model_store.find(model)) == DIFFUSION_GEMMA:
        return None
    return lora.in_words(lora.trained(adapter_name) if adapter_name else gap_filler.adapter_directory(model))


def _model_type(directory: Path) -> str:
    found = config_file.read(directory / "config.json").values.get("model_type")
    if found not in (GAP, DIFFUSION_GEMMA):
        raise LoadError(
            f"config.json: model_type {str(found)[:60]!r} is not supported here, only {GAP!r} with an adapter and "
            f"{DIFFUSION_GEMMA!r} are"
        )
    return str(found)
