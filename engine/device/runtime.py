"""Device, dtype and threads: chosen once, here, with the reason kept for the log and for `lacuna doctor`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lacuna.engine.device import cgroup

if TYPE_CHECKING:
    import torch

# How many times an idle OpenMP thread looks for work before it sleeps: long enough to stay awake between the products
# of one pass, and no longer. One canvas pass of the embedded model, 2 threads of an AMD EPYC (Zen 4), bf16: 62 ms at
# 1,000 spins, 33 from 3,000 on. A busy machine is met with fewer threads (engine/device/cpu_threads.py), not with
# threads that sleep at once.
SPINS = "4000"
# oneDNN's compiled kernels, one per matrix and count of tokens (engine/layers/linear.py has fewer counts), of 1,024 by
# default: 100 MB after 60 fills. 48 are those of eight counts; with 32 a pass takes 4 % more time.
KERNELS_KEPT = "48"
INT8 = "int8"


@dataclass(frozen=True)
class Runtime:
    device: str  # "cpu", "cuda", "mps"
    dtype: str  # "float32", "bfloat16", or "int8": Qwen2.5-Coder's weights in 8 bits, all else in float32
    threads: int  # CPU threads; 0 leaves torch's own choice, as on a GPU
    reason: str

    @property
    def torch_dtype(self) -> torch.dtype:
        import torch

        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32

    @property
    def is_int8(self) -> bool:
        return self.dtype == INT8


def prepare_environment() -> None:
    """Sets how OpenMP threads wait and how much oneDNN keeps. It only has an effect before torch is imported; what the
    user has set stays.
    """
    assert "torch" not in sys.modules or "KMP_BLOCKTIME" in os.environ, "prepare_environment() comes before torch"
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    for variable in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(variable, KERNELS_KEPT)
    os.environ.setdefault("KMP_BLOCKTIME", "1")  # milliseconds: the same for Intel's and LLVM's OpenMP


def choose(device: str = "auto", dtype: str = "auto", threads: int = 0) -> Runtime:
    """The runtime for this machine; what is not "auto" (or 0) is taken as asked. Raises ValueError for what is not
    there."""
    import torch

    chosen, why_device = _device(device)
    number, why_dtype = _dtype(dtype, chosen)
    count = 0 if chosen != "cpu" else threads or _threads()
    if count:
        torch.set_num_threads(count)
    return Runtime(chosen, number, count, f"{why_device}; {why_dtype}; {count or 'torch decides the'} threads")


def _device(asked: str) -> tuple[str, str]:
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        found = next(name for name, there in present.items() if there)
        return found, f"{found} because it is the fastest device found"
    if not present.get(asked, False):
        raise ValueError(
            f"device {asked!r} is not available here; choose one of {[d for d, there in present.items() if there]}"
        )
    return asked, f"{asked} as asked"


def _dtype(asked: str, device: str) -> tuple[str, str]:
    if asked == "bfloat16" and device == "cpu" and not _fast_bfloat16():
        return asked, "bfloat16 as asked, in which this CPU is slow"
    if asked in ("float32", "bfloat16"):
        return asked, f"{asked} as asked"
    if asked == INT8 and device == "cpu" and _has_int8():
        return asked, f"{asked} as asked"
    if asked == INT8:
        raise ValueError("dtype 'int8' needs an x86 CPU with AVX2 and a torch with FBGEMM; choose auto or float32")
    if asked != "auto":
        raise ValueError(f"dtype {asked!r} is unknown; choose auto, float32, bfloat16 or int8")
    if device != "cpu":
        return "bfloat16", f"bfloat16 because {device} computes in it"
    flag = _fast_bfloat16()
    if flag:
        return "bfloat16", f"bfloat16 because this CPU has {flag}"
    if _has_int8():
        why = "this CPU has no fast bfloat16 (AVX512_BF16 or AMX) and is fast with 8 bits"
        return INT8, f"int8 (the weights of Qwen2.5-Coder; other models compute in float32) because {why}"
    return "float32", "float32 because this CPU has no fast bfloat16 (AVX512_BF16, AMX, or Arm BF16)"


def _has_int8() -> bool:
    from lacuna.engine.layers import int8_linear

    return int8_linear.is_fast()


def _fast_bfloat16() -> str:
    """The CPU flag that makes bfloat16 faster than float32, or "" without one."""
    import torch

    flags = torch.cpu.get_capabilities()
    return next((name for name in ("amx_bf16", "avx512_bf16", "arm_bf16", "bf16") if flags.get(name)), "")


def physical_cores() -> int:
    """Of the whole machine; the number of logical CPUs where that is all that is known."""
    import torch

    return int(torch.cpu.get_capabilities().get("num_physical_cores") or os.cpu_count() or 1)


def _threads() -> int:
    """At most one fewer than the physical cores on machines with more than two: the editor needs one.

    No more than a container's quota pays for: threads beyond it only make all of them wait for the next period.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup.limits().cpus
    cores = min(allowed, physical_cores(), *([] if quota is None else [max(1, int(quota))]))
    return cores - 1 if cores > 2 else cores
