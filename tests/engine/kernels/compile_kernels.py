"""Compiles kernels as a launch with the published model's sizes would, for a GPU that is not there.

python compile_kernels.py 90 few    # a JSON line for each kernel: registers, spills, shared memory, instructions

"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from lacuna.engine.kernels.align import CHUNK, align_kernel
from lacuna.engine.kernels.expert_down import expert_down_kernel
from lacuna.engine.kernels.expert_gate_up import expert_gate_up_kernel
from lacuna.engine.kernels.linear import linear_kernel
from lacuna.engine.kernels.weights import Blocks, Weights

TYPES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32", torch.uint8: "u8"}
TYPES |= {torch.int8: "i8", torch.int32: "i32"}
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
HIDDEN, INNER, EXPERTS, TOP_K = 2816, 704, 128, 8
X = {"x": torch.bfloat16, "out": torch.bfloat16}
FORMATS = ("float", "fp8", "int4", "nvfp4", "int4, float16", "int4, zero points")
SORTED = {"pair": torch.int32, "expert": torch.int32, "used": torch.int32}


def weights(name: str, *shape: int) -> Weights:
    """Without data."""
    rows, half = shape[:-1], (*shape[:-1], shape[-1] // 2)
    empty = lambda size, dtype: torch.empty(size, dtype=dtype, device="meta")  # noqa: E731
    if name == "float":
        return Weights("float", empty(shape, torch.bfloat16))
    if name == "fp8":
        return Weights("fp8", empty(shape, torch.uint8), empty((*rows, 1), torch.bfloat16))
    if name == "nvfp4":
        common = empty((*shape[:-2], 1), torch.float32)
        return Weights("nvfp4", empty(half, torch.uint8), empty((*rows, shape[-1] // 16), torch.uint8), None, common)
    groups = (*rows, shape[-1] // 32)
    zero = empty(groups, torch.int8) if "zero" in name else None
    scale = empty(groups, torch.float16 if "float16" in name else torch.bfloat16)
    return Weights("int4", empty(half, torch.uint8), scale, zero)


def cases(many: bool) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, kernel and arguments. Of few: each kernel and each codec once, for a canvas of 256 tokens."""
    yield "align", align_kernel, pointers({"numbers": torch.int32, **SORTED}) | {
        "pairs": 2048, "BINS": 256, "CHUNK": CHUNK, "BM": 16, "num_warps": 4, "num_stages": 3
    }  # fmt: skip
    for name in FORMATS if many else ("fp8",):
        for rows in (16, 64, 256) if many else (256,):
            yield f"linear {name} {rows}", linear_kernel, of_linear(name, rows)
    for name in FORMATS if many else ("int4", "nvfp4"):
        for rows in (16, 64, 256) if many else (16,):
            yield f"gate_up {name} {rows}", expert_gate_up_kernel, of_gate_up(name, rows)
    for name in FORMATS if many else ("float",):
        for rows in (16, 64, 256) if many else (16,):
            yield f"down {name} {rows}", expert_down_kernel, of_down(name, rows)


def of_linear(name: str, rows: int) -> dict[str, Any]:
    """The queries of a sliding layer."""
    matrix = weights(name, 4096, HIDDEN)
    return product(matrix, Blocks.of(matrix, rows), X) | {"tokens": rows}


def of_gate_up(name: str, rows: int) -> dict[str, Any]:
    bank = weights(name, EXPERTS, 2 * INNER, HIDDEN)
    return product(bank, Blocks.of(bank, rows, matrices=2), X | SORTED) | {"pairs": 2048, "TOP_K": TOP_K}


def of_down(name: str, rows: int) -> dict[str, Any]:
    bank = weights(name, EXPERTS, HIDDEN, INNER)
    return product(bank, Blocks.of(bank, rows), X | SORTED | {"share": torch.bfloat16}) | {"pairs": 2048}


def pointers(dtypes: dict[str, torch.dtype]) -> dict[str, Any]:
    return {name: torch.empty(1, dtype=dtype, device="meta") for name, dtype in dtypes.items()}


def product(matrix: Weights, blocks: Blocks, others: dict[str, torch.dtype]) -> dict[str, Any]:
    return {**pointers(others), **matrix.arguments(), **blocks.arguments(matrix), "DT": tl.bfloat16}


def compiled(kernel: Any, given: dict[str, Any], generation: int) -> Any:
    """As Triton's launcher would: None, 1 and constants are compiled in, and it is known what 16 divides, but of the
    counts that a kernel is not to be compiled anew for."""
    options = {name: given[name] for name in ("num_warps", "num_stages")}
    signature, constants, aligned = {}, {}, {}
    for at, name in enumerate(kernel.arg_names):
        value = given[name]
        if isinstance(value, Tensor):
            signature[name] = f"*{TYPES[value.dtype]}"
            aligned[(at,)] = [["tt.divisibility", 16]]
        elif kernel.params[at].do_not_specialize:
            signature[name] = "i32"
        elif value is None or name.isupper() or value == 1:
            signature[name] = "constexpr"
            constants[(at,)] = value
        else:
            signature[name] = "i32"
            if value % 16 == 0:
                aligned[(at,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constexprs=constants, attrs=aligned)
    return triton.compile(source, target=GPUTarget("cuda", generation, 32), options=options)


def resources(ptx: str, generation: int) -> dict[str, int]:
    """Registers of a thread and bytes that it spills, as NVIDIA's assembler counts them."""
    tool = TOOLS / ("ptxas-blackwell" if generation >= 100 else "ptxas")
    target = re.search(r"\.target (\w+)", ptx)
    assert target is not None
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [str(tool), "-v", f"-arch={target[1]}", file.name, "-o", "/dev/null"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    registers = [int(found) for found in re.findall(r"Used (\d+) registers", told)]
    spilled = [int(found) for found in re.findall(r"(\d+) bytes spill", told)]
    return {"registers": max(registers), "spilled": sum(spilled)}


def report(name: str, kernel: Any, given: dict[str, Any], generation: int) -> dict[str, Any]:
    made = compiled(kernel, given, generation)
    ptx = made.asm["ptx"]
    return {
        "name": name,
        "rows": given["BM"],
        **resources(ptx, generation),
        "shared": made.metadata.shared,
        "products": [kind for kind in ("mma.sync", "wgmma.mma_async", "tcgen05.mma") if kind in ptx],
        "copies ahead": len(re.findall(r"cp\.async\.c[ag]\.shared", ptx)),
        "flushes": ".ftz" in ptx,
        "from integers": len(re.findall(r"cvt\.rn\.\w+\.[su]\d+", ptx)),
    }


if __name__ == "__main__":
    for name, kernel, given in cases(sys.argv[2] == "many"):
        print(json.dumps(report(name, kernel, given, int(sys.argv[1]))), flush=True)
