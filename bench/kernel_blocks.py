"""Products with packed weights by the blocks that programs compute: what `Blocks.of` chooses, and what is near it.

    python bench/kernel_blocks.py [--forms int4 nvfp4 fp8 float] [--rounds N]

At the published model's sizes, for a canvas of 256 tokens: a matrix of 4096 x 2816, and both products of 128 experts of
which each token has 8, sorted by expert each time. Between two runs a buffer larger than the cache is written, so that
weights come from memory, as in a step. Prints a line for each product: the chosen blocks, the fastest, and what they
take. One line of JSON last.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace

import torch
import triton
from torch import Tensor

from lacuna.engine.kernels.align import align
from lacuna.engine.kernels.expert_down import expert_down
from lacuna.engine.kernels.expert_gate_up import expert_gate_up
from lacuna.engine.kernels.linear import linear_kernel
from lacuna.engine.kernels.weights import FORMATS, Blocks, Weights, dtype_of

FLUSHED = 2**28  # bytes written between runs: more than any cache
NEIGHBOURS = {"rows": (16, 32, 64), "outputs": (32, 64, 128), "inner": (64, 128), "warps": (4, 8), "stages": (2, 3, 4)}


@dataclass(frozen=True)
class Sizes:
    tokens: int = 256
    hidden: int = 2816
    inner: int = 704
    queries: int = 4096
    experts: int = 128
    top_k: int = 8


SMALL = Sizes(16, 128, 64, 64, 4, 2)  # to try it out in Triton's interpreter

Launch = Callable[[Blocks], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", nargs="+", choices=FORMATS, default=["int4", "fp8", "nvfp4"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--small", action="store_true", help="on CPU, with TRITON_INTERPRET=1: says nothing of speed")
    options = parser.parse_args()
    device, sizes = ("cpu", SMALL) if options.small else ("cuda", Sizes())
    result: dict[str, object] = {"device": device if options.small else torch.cuda.get_device_name()}
    for form in options.forms:
        for name, launch, chosen in products(form, sizes, device):
            times = {}
            for blocks in [chosen] if options.small else near(chosen):
                try:
                    times[blocks] = microseconds(lambda: launch(blocks), device, options.rounds)  # noqa: B023 (run here)
                except triton.OutOfResources as error:
                    print(f"  {name} {astuple(blocks)}: {error}")
            best = min(times, key=lambda blocks: times[blocks])
            print(
                f"{name:18} {astuple(chosen)} {times[chosen]:8.1f} us, {astuple(best)} {times[best]:8.1f}", flush=True
            )
            result[name] = [astuple(chosen), round(times[chosen], 1), astuple(best), round(times[best], 1)]
    print(json.dumps(result))


def near(chosen: Blocks) -> Iterator[Blocks]:
    """The chosen blocks, and those that differ in one number."""
    yield chosen
    for name, values in NEIGHBOURS.items():
        yield from (replace(chosen, **{name: value}) for value in values if value != getattr(chosen, name))


def products(form: str, sizes: Sizes, device: str) -> Iterator[tuple[str, Launch, Blocks]]:
    """Names, launches by blocks, and the blocks that are chosen."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    x = torch.randn(sizes.tokens, sizes.hidden, device=device).to(dtype)
    matrix = _weights(form, sizes.queries, sizes.hidden, device=device)
    yield f"{form} matrix", lambda blocks: _linear(x, matrix, blocks), Blocks.of(matrix, sizes.tokens)
    share, expert = torch.rand(sizes.tokens, sizes.experts, device=device).topk(sizes.top_k)
    mean = -(-expert.numel() // sizes.experts)

    def gate_up(blocks: Blocks) -> Tensor:
        return expert_gate_up(x, first, align(expert, sizes.experts, blocks.rows), blocks, sizes.top_k)

    def down(blocks: Blocks) -> Tensor:
        return expert_down(middle, second, share.to(dtype), align(expert, sizes.experts, blocks.rows), blocks)

    first = _weights(form, sizes.experts, 2 * sizes.inner, sizes.hidden, device=device)
    yield f"{form} gate and up", gate_up, Blocks.of(first, mean, matrices=2)
    middle = torch.randn(sizes.tokens * sizes.top_k, sizes.inner, device=device).to(dtype)
    second = _weights(form, sizes.experts, sizes.hidden, sizes.inner, device=device)
    yield f"{form} down", down, Blocks.of(second, mean)


def microseconds(run: Callable[[], object], device: str, rounds: int) -> float:
    """The least of some runs; a first one compiles."""
    run()
    if device == "cpu":
        return 0.0
    flushed, times = torch.empty(FLUSHED, dtype=torch.uint8, device=device), []
    for _ in range(rounds):
        flushed.zero_()  # and meanwhile the launch is prepared
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        stop.record()
        torch.cuda.synchronize()
        times.append(1e3 * start.elapsed_time(stop))
    return min(times)


def _linear(x: Tensor, matrix: Weights, blocks: Blocks) -> Tensor:
    """As kernels/linear launches it, with blocks of one's choice."""
    out = x.new_empty(len(x), matrix.outputs)
    grid = (triton.cdiv(len(x), blocks.rows), triton.cdiv(matrix.outputs, blocks.outputs))
    linear_kernel[grid](x, out, len(x), **matrix.arguments(), **blocks.arguments(matrix), DT=dtype_of(x))
    return out


def _weights(form: str, *shape: int, device: str) -> Weights:
    """Random codes, and scales of 1."""
    rows, half = shape[:-1], (*shape[:-1], shape[-1] // 2)
    if form == "float":
        return Weights(form, torch.randn(shape, dtype=torch.bfloat16, device=device))
    payload = torch.randint(0, 127, shape if form == "fp8" else half, dtype=torch.uint8, device=device)
    if form == "nvfp4":
        scale = torch.full((*rows, shape[-1] // 16), 0x38, dtype=torch.uint8, device=device)
        return Weights(form, payload, scale, None, torch.ones(*shape[:-2], 1, device=device))
    groups = 1 if form == "fp8" else shape[-1] // 32
    return Weights(form, payload, torch.ones(*rows, groups, dtype=torch.bfloat16, device=device))


if __name__ == "__main__":
    main()
