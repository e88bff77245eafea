"""How much memory a loaded model takes, how much a device has left, and what is given back to the system."""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from lacuna.engine.device import cgroup
from lacuna.engine.device.runtime import Runtime


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    weights: int
    cache: int  # keys and values of all documents that are kept
    activations: int  # what else lives during a pass
    formats: tuple[str, ...] = ()  # in which weights stay packed, in words
    products: str = ""  # how packed weights are multiplied with, in words

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.activations


def available(runtime: Runtime) -> int:
    """Bytes that a model can take on the runtime's device: what is free, and what the system would give up for it; no
    more than a container's limit leaves."""
    if runtime.device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return int(free)
    import psutil

    machine = int(psutil.virtual_memory().available)  # an Apple GPU shares the machine's memory
    container = cgroup.limits().free_memory
    return machine if container is None else min(machine, container)


def is_out(error: BaseException) -> bool:
    """Whether an error says that there is no memory left: torch's own of a GPU, or that of its allocators elsewhere."""
    import torch

    says = isinstance(error, RuntimeError) and re.search(r"out of memory|DefaultCPUAllocator", str(error)) is not None
    return says or isinstance(error, MemoryError | torch.OutOfMemoryError)


def explained(error: BaseException) -> str:
    """An error in words; where memory ran out, with what to choose instead."""
    if is_out(error):
        return (
            "there is not enough memory left: close other programs, or choose a smaller model, or weights in fewer "
            "bits (`lacuna doctor --model` says which fit, `lacuna quantize` makes them)"
        )
    return f"{type(error).__name__}: {error}"


def give_back() -> None:
    """Gives back to the system what was freed, where somebody keeps it: torch, of a GPU's memory, and glibc, which
    keeps some 40 MB of what loading the embedded model leaves between the weights, in pieces that no pass fits into.
    8 ms."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def peak_mb() -> float | None:
    """The most memory this process has had resident; None on Windows, where Python's own library cannot tell."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's getrusage counts what the parent process had, too
        peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="ascii", errors="replace"))
        return int(peak[1]) / 1000 if peak else None
    if sys.platform == "win32":
        return None
    import resource

    peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_rss / (1_000_000 if sys.platform == "darwin" else 1000)
