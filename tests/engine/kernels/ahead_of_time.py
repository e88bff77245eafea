"""What a kernel takes of a card, by compiling it for one without having it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

CARDS = (80, 86, 89, 90, 100, 120)  # compute capabilities, times 10: A100, RTX 30, RTX 40, H100, B200, RTX 50
# Bytes of shared memory that one program may have.
SHARED = {80: 166_912, 86: 101_376, 89: 101_376, 90: 232_448, 100: 232_448, 120: 101_376}
PRODUCTS = ("mma.sync", "wgmma.mma_async", "tcgen05.mma")  # of all cards, of Hopper, of data-centre Blackwell
DUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


class Resources(NamedTuple):
    registers: int  # of a thread
    spilled: int  # bytes of a thread's stack
    shared: int  # bytes of a program
    products: list[str]  # the kinds of instructions that multiply matrices


def resources(kernel: Any, arguments: dict[str, Any], card: int, directory: Path, warps: int, stages: int) -> Resources:
    """Of a kernel whose arguments are type names as Triton spells them, or values of constants.

    Pointers and sizes are taken as multiples of 16, as the published models' are: else the code is another. Counts of
    tokens are not, where the kernel is not to be compiled anew for them.
    """
    names = kernel.arg_names
    assert set(arguments) == set(names), set(arguments) ^ set(names)
    constant = {name for name, value in arguments.items() if not isinstance(value, str)}
    signature = {name: "constexpr" if name in constant else arguments[name] for name in names}
    known = [name not in constant and not kernel.params[at].do_not_specialize for at, name in enumerate(names)]
    aligned = [number for number, name in enumerate(names) if known[number] and signature[name][0] in "*i"]
    attributes = {(number,): [["tt.divisibility", 16]] for number in aligned}
    source = ASTSource(kernel, signature, {name: arguments[name] for name in constant}, attributes)
    compiled = triton.compile(
        source, target=GPUTarget("cuda", card, 32), options={"num_warps": warps, "num_stages": stages}
    )
    binary = directory / f"{kernel.__name__}.{card}.cubin"
    binary.write_bytes(compiled.asm["cubin"])
    said = subprocess.run([DUMP, "--dump-resource-usage", binary], capture_output=True, text=True, check=True).stdout
    registers, stack = (int(re.search(rf"{word}:(\d+)", said)[1]) for word in ("REG", "STACK"))
    products = [kind for kind in PRODUCTS if kind in compiled.asm["ptx"]]
    return Resources(registers, stack, compiled.metadata.shared, products)
