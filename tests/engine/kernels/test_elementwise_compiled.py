"""Kernels for elementwise work, attention and the head: what they take of a card, compiled without having it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("triton")

import ahead_of_time

from lacuna.engine.kernels import cache_attention, gated, head_statistics, layer_norms, norms, rope_to_cache, route
from lacuna.engine.kernels.align import align_kernel
from lacuna.engine.kernels.expert_down import expert_down_kernel
from lacuna.engine.kernels.expert_gate_up import expert_gate_up_kernel
from lacuna.engine.kernels.linear import linear_kernel

STAGES = 2  # of loops: cache_attention's alone has one

HEAD: dict[str, Any] = {"logits": "*bf16", "vocab": "i32", "cap": "fp32", "temperature": "fp32", "TILE": 4096}
PARTIAL: dict[str, Any] = {"numbers": "*fp32", "first": "*i32", "rows": "i32"}
ROWS: dict[str, Any] = {"uniform": "*fp32", "ids": "*i64", "found": "*fp32", "tiles": "i32", "TILES": 64}
BF16, SIZE = "*bf16", "i32"
# A row of DiffusionGemma's residual stream: 2,816 numbers.
ROW: dict[str, Any] = {"x": BF16, "width": SIZE, "eps": "fp32", "BLOCK": 4096}
TURN: dict[str, Any] = dict.fromkeys(("qkv", "cos", "sin", "queries"), BF16) | {"slots": "*i64"}
TURN |= dict.fromkeys(("tokens", "heads", "every", "first_value"), SIZE)
ROUTE: dict[str, Any] = dict.fromkeys(("x", "matrix", "per_expert_scale", "share"), BF16) | {"expert": "*i32"}
ROUTE |= dict.fromkeys(("tokens", "hidden", "experts"), SIZE)
ROUTE |= {"TOP_K": 8, "CHOICES": 8, "EXPERTS": 128, "ROWS": route.ROWS, "COLUMNS": route.COLUMNS}
GATE: dict[str, Any] = {"gate": BF16, "up": BF16, "result": BF16, "SIZE": 1024}
GATE |= dict.fromkeys(("inner", "gate_stride", "up_stride"), SIZE)
ATTEND: dict[str, Any] = dict.fromkeys(("queries", "mixed"), BF16) | {"slots": "*i64", "scale": "fp32"}
ATTEND |= dict.fromkeys(("tokens", "heads", "group", "mask_width", "window"), SIZE)


def row(*names: str) -> dict[str, Any]:
    return ROW | dict.fromkeys(names, BF16)


def turn(width: int, norm: str | None, bias: str | None) -> dict[str, Any]:
    return TURN | {"norm": norm, "bias": bias, "eps": "fp32", "WIDTH": width, "BLOCK": width}


def attend(
    width: int, is_causal: bool, mask: str | None = None, dtype: torch.dtype = torch.bfloat16
) -> tuple[Any, dict[str, Any], int]:
    block, queries, slots, warps = cache_attention.blocks(width, dtype)
    floats = dict.fromkeys(("queries", "mixed"), BF16 if dtype == torch.bfloat16 else "*fp32")
    arguments = (
        ATTEND
        | floats
        | {
            "mask": mask,
            "IS_CAUSAL": is_causal,
            "WIDTH": width,
            "BLOCK": block,
            "M": queries,
            "N": slots,
        }
    )
    return cache_attention._kernel, arguments, warps


# Kernel, its arguments, warps.
KERNELS: list[tuple[Any, dict[str, Any], int]] = [
    (head_statistics._tiles_kernel, HEAD | PARTIAL, 4),
    (head_statistics._rows_kernel, HEAD | PARTIAL | ROWS, 4),
    (head_statistics._probabilities_kernel, HEAD | {"highest": "*fp32", "confidence": "*fp32"}, 4),
    (norms._norm_kernel, row("weight", "normed"), 8),
    (norms._norm_kernel, row("normed") | {"weight": None}, 8),
    (norms._add_norm_kernel, row("added", "weight", "total", "normed"), 8),
    (
        layer_norms._after_attention_kernel,
        row("attended", "post", "chosen", "dense", "routed", "sum_to", "chosen_to", "dense_to", "routed_to"),
        8,
    ),
    (
        layer_norms._after_feedforward_kernel,
        row("dense", "routed", "dense_weight", "routed_weight", "weight", "scalar", "following", "result", "normed")
        | {"CHOICES": 8},
        8,
    ),
    (route._kernel, ROUTE, 4),
    (rope_to_cache._kernel, turn(256, BF16, None), 1),
    (rope_to_cache._kernel, turn(512, BF16, None), 2),
    (rope_to_cache._kernel, turn(64, None, BF16), 1),
    (rope_to_cache._kernel, turn(128, None, None), 1),
    (gated._kernel, GATE | {"IS_GELU": False}, 4),
    (gated._kernel, GATE | {"IS_GELU": True}, 4),
    attend(256, True),
    attend(256, False),
    attend(512, True),
    attend(512, False),
    attend(64, False, "*u8"),
    attend(128, False, "*u8"),
    attend(64, False, "*u8", torch.float32),
    attend(128, False, "*u8", torch.float32),
]


def products(kernel: Any, arguments: dict[str, Any], card: int) -> list[str]:
    """The instructions by which a kernel multiplies matrices, in 16 bits. Hopper's and Blackwell's own want 64 rows,
    which heads of 512 numbers leave no room for. In float32 there are none of its precision."""
    if kernel not in (cache_attention._kernel, route._kernel) or arguments.get("queries") == "*fp32":
        return []
    own = {90: "wgmma.mma_async", 100: "tcgen05.mma"}.get(card, "mma.sync")
    return [own if arguments.get("M", route.ROWS) >= 64 else "mma.sync"]


@pytest.mark.parametrize("card", ahead_of_time.CARDS)
def test_fits_the_card(card: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without spilled registers, within the shared memory of a program, and with products in tensor cores."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for kernel, arguments, warps in KERNELS:
        found = ahead_of_time.resources(kernel, arguments, card, tmp_path, warps, STAGES)
        assert found.spilled == 0, (kernel.__name__, found)
        assert found.shared <= ahead_of_time.SHARED[card], (kernel.__name__, found)
        assert found.registers * 32 * warps <= 65_536, (kernel.__name__, found)
        assert found.products == products(kernel, arguments, card), (kernel.__module__, arguments.get("WIDTH"), found)


def test_no_count_of_tokens_is_compiled_anew() -> None:
    """Else a first reading of an odd length, or of one token, waits for a compiler that no warm-up has run."""
    of_products = (align_kernel, linear_kernel, expert_gate_up_kernel, expert_down_kernel)
    for kernel in {*of_products, *(kernel for kernel, _, _ in KERNELS)}:
        counts = [parameter for parameter in kernel.params if parameter.name in ("tokens", "pairs", "rows")]
        assert all(count.do_not_specialize for count in counts), kernel
