"""Whether these kernels run on a device and are right there, found out once and logged: none is given up later."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
from collections.abc import Callable
from functools import cache

import torch

LEAST = (8, 0)  # compute capability: products in bfloat16, and what the kernels are compiled for in the tests

logger = logging.getLogger(__name__)


@cache
def are_available(device: str) -> bool:
    """For a device by its type. Only "cuda" is looked at closer, and what speaks against it is logged."""
    if device != "cuda":
        return False
    why = obstacle() or fault(device)
    if why:
        logger.warning("without Triton kernels: %s", why)
    else:
        logger.info("with Triton kernels")
    return not why


def obstacle() -> str:
    """What keeps kernels from running on the GPU, or "" if nothing does."""
    if torch.version.hip is not None:
        return "they were never compiled for AMD's GPUs"
    if importlib.util.find_spec("triton") is None:
        return "the package triton is missing"
    capability = torch.cuda.get_device_capability()
    if capability < LEAST:
        return f"this GPU has compute capability {capability[0]}.{capability[1]}, and they need {LEAST[0]}.{LEAST[1]}"
    return _driver_fault()


def fault(device: str) -> str:
    """Where kernels compute something else than torch, or do not run, in words; "" where all are right. In bfloat16, as
    models are on GPUs. Compiles on the way what models will use."""
    from lacuna.engine.kernels import elementwise_check

    return found_by(lambda: elementwise_check.differs(torch.device(device), torch.bfloat16))


def found_by(check: Callable[[], str]) -> str:
    """What a check of kernels on a device finds wrong, or why they do not run there, in words; "" where all is right.
    `check` names what differs. Raises torch.cuda.OutOfMemoryError: with more room they may be right."""
    from triton.errors import TritonError

    try:
        name = check()
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, OSError, TritonError, subprocess.CalledProcessError) as error:
        first = str(error).strip().partition("\n")[0]
        return f"they do not run: {type(error).__name__}: {first[:200]}"
    return f"what they compute differs from torch's: {name}" if name else ""


def _driver_fault() -> str:
    """Triton compiles its access to the driver with a C compiler and Python's headers, which may be missing."""
    from triton.runtime import driver

    try:
        driver.active.get_current_target()
    except (RuntimeError, OSError, ImportError, subprocess.CalledProcessError) as error:
        return f"Triton does not start: {str(error)[:200]}"
    return ""
