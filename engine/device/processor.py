"""What computes: the name of this machine's CPU or GPU."""

from __future__ import annotations

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def name(device: str, cpuinfo: Path = CPUINFO) -> str:
    """The GPU's name for "cuda", else the CPU's: its model where the system tells it, else its architecture."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.is_file() else ""
    model = re.search(r"^(?:model name|Model)\s*:\s*(\S.*)$", text, re.MULTILINE)  # x86, and some of Arm's
    return model[1].strip() if model else platform.processor() or platform.machine()
