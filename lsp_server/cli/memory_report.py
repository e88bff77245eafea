"""What `lacuna doctor` says of memory: what a model takes, what the device has, and which forms of the model fit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lacuna.engine.device.runtime import Runtime

if TYPE_CHECKING:
    from lacuna.engine.quantize.forms import Form


@dataclass(frozen=True)
class MemoryReport:
    """Bytes on the device, looked at before the model was loaded."""

    weights: int
    cache: int
    activations: int
    needed: int  # all of these
    available: int
    formats: tuple[str, ...]  # in which weights stay packed
    products: str  # how those are multiplied with; "" where that is no question
    forms: tuple[Form, ...]  # that the model may have, the largest first
    instead: str  # what to choose where it does not fit

    @classmethod
    def of(cls, model: str, chosen: Runtime, adapter: str = "") -> MemoryReport:
        """Of a model with its own adapter, or with that of a name. Raises OSError, ValueError and LookupError for what
        cannot be read."""
        from lacuna.engine import load
        from lacuna.engine.device import memory
        from lacuna.engine.quantize.forms import advice, forms

        needed, available = load.needed(model, chosen, adapter), memory.available(chosen)
        found = forms(model, chosen, available, adapter)
        sizes = needed.weights, needed.cache, needed.activations, needed.total
        return cls(*sizes, available, needed.formats, needed.products, found, advice(model, found, needed))

    def problem(self, model: str, chosen: Runtime) -> str | None:
        """What is wrong where a model needs more than there is."""
        if self.needed <= self.available:
            return None
        return (
            f"{model} needs {_gigabytes(self.needed)} in {chosen.dtype}, and {chosen.device} has "
            f"{_gigabytes(self.available)} available: {self.instead}, or close other programs"
        )

    def lines(self) -> list[tuple[str, str]]:
        """Labels and texts, for people."""
        parts = ((self.weights, "weights"), (self.cache, "cache"), (self.activations, "activations"))
        spelled = " + ".join(f"{_gigabytes(size)} {name}" for size, name in parts)
        kept = [("weights", f"kept as they are packed: {', '.join(self.formats)}")] if self.formats else []
        how = [("products", self.products)] if self.products else []
        return [
            *kept,
            *how,
            ("memory needed", f"{_gigabytes(self.needed)} = {spelled}"),
            ("memory available", _gigabytes(self.available)),
            *(("form", form.in_words) for form in self.forms),
        ]


def known_checkpoints(model: str, chosen: Runtime) -> tuple[Form, ...]:
    """Of DiffusionGemma, by their names: those that are published, on this device. None for a model of another
    family."""
    from lacuna.engine.device import memory
    from lacuna.engine.quantize import forms

    return forms.known_checkpoints(model, chosen, memory.available(chosen))


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
