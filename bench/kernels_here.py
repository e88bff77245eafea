"""Whether this machine's GPU runs the kernels, and which packed weights they multiply with: what a start finds out.

python bench/kernels_here.py
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import torch

from lacuna.engine.kernels import availability
from lacuna.engine.layers import packed_kernels


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU: a machine with an NVIDIA GPU and torch for CUDA is needed")
    start = time.perf_counter()
    found = {"between products": availability.obstacle() or availability.fault("cuda")}
    for kind in packed_kernels.KINDS:
        found[packed_kernels.in_capitals(kind)] = packed_kernels.refusal(kind, "cuda", torch.bfloat16)
    for name, why_not in found.items():
        print(f"{name}: {why_not or 'right'}")
    print(
        json.dumps({"device": torch.cuda.get_device_name(), "seconds": round(time.perf_counter() - start, 1)} | found)
    )
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
