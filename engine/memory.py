"""How much memory a loaded model takes, and how much a device has left: both known before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from engine.runtime import Runtime


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    weights: int
    cache: int  # keys and values of all documents that are kept
    activations: int  # what else lives during a pass

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.activations


def available(runtime: Runtime) -> int:
    """Bytes that a model can take on the runtime's device: what is free, and what the system would give up for it."""
    if runtime.device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return int(free)
    import psutil

    return int(psutil.virtual_memory().available)  # an Apple GPU shares the machine's memory
