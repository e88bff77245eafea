"""Whether the kernels between the products compute on a device what torch computes there, on a few random numbers.

The tests' machines have an interpreter and a compiler; a card, its driver and a newer compiler are met here first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lacuna.engine.kernels import cache_attention, gated, head_statistics, layer_norms, norms, rope_to_cache, route
from lacuna.engine.kernels.slots import Slots, table

ROWS, WIDTH, HEADS, PAIRS, HEAD_DIM, SLOTS, VOCAB = 5, 96, 4, 2, 64, 70, 5000
EXPERTS, TOP_K = 6, 3
EPS, CAP, TEMPERATURE = 1e-6, 30.0, 0.7
TOLERANCE = 2.0**-5  # of the largest number: four roundings to bfloat16 one after the other are 2**-6 at most

Numbers = Callable[..., Tensor]  # random ones of a shape


def differs(device: torch.device, dtype: torch.dtype) -> str:
    """The first kernel whose numbers are off by more than their roundings, in words; "" where there is none."""

    def numbers(*shape: int) -> Tensor:
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
        return drawn.to(device, dtype)

    return next((name for name, is_right in CHECKS.items() if not is_right(numbers)), "")


def _norms_are_right(numbers: Numbers) -> bool:
    x, added, weight = numbers(ROWS, WIDTH), numbers(ROWS + 1, WIDTH)[1:], numbers(WIDTH)
    return close(norms.add_norm(x, added, weight, EPS), norms.add_norm_reference(x, added, weight, EPS)) and close(
        [norms.rms_norm(x, weight, EPS)], [norms.rms_norm_reference(x, weight, EPS)]
    )


def _layer_norms_are_right(numbers: Numbers) -> bool:
    x, one, two = (numbers(ROWS + more, WIDTH)[more:] for more in range(3))
    weights = (numbers(WIDTH), numbers(WIDTH) + 1, numbers(WIDTH) - 1)
    post, following, scalar = numbers(WIDTH) + 2, numbers(WIDTH) * 2, numbers(1)
    routed = numbers(ROWS, 3, WIDTH)
    found = layer_norms.after_attention(x, one, post, weights, EPS)
    summed = layer_norms.after_feedforward(x, two, routed, weights, scalar, following, EPS)
    expected = layer_norms.after_feedforward_reference(x, two, routed, weights, scalar, following, EPS)
    return close(found, layer_norms.after_attention_reference(x, one, post, weights, EPS)) and close(summed, expected)


def _routes_are_right(numbers: Numbers) -> bool:
    """With scores that no rounding brings into another order."""
    scores = torch.arange(ROWS * EXPERTS).mul(7).remainder(ROWS * EXPERTS).view(EXPERTS, ROWS) / 8 - 2
    x, scale = numbers(1).new_ones(ROWS).diag(), numbers(EXPERTS)
    matrix = scores.to(x.device, x.dtype)
    expert, share = route.route(x, matrix, scale, TOP_K)
    expected, shares = route.reference(x, matrix, scale, TOP_K)
    return expert.equal(expected) and close([share], [shares])


def _gates_are_right(numbers: Numbers) -> bool:
    gate, up = numbers(ROWS, WIDTH), numbers(ROWS + 1, WIDTH)[1:]
    found = [gated.silu_times(gate, up), gated.gelu_times(gate, up)]
    return close(found, [gated.silu_reference(gate, up), gated.gelu_reference(gate, up)])


def _rotations_are_right(numbers: Numbers) -> bool:
    qkv, angles = numbers(1, ROWS, HEADS + 2 * PAIRS, HEAD_DIM), numbers(ROWS, 1, HEAD_DIM).float()
    cos_sin = (angles.cos().to(qkv.dtype), angles.sin().to(qkv.dtype))
    norm, bias = numbers(HEADS + PAIRS, HEAD_DIM), numbers((HEADS + 2 * PAIRS) * HEAD_DIM)
    answers = []
    for is_kernel in (True, False):
        found = []
        for weights in ({"norm": norm, "eps": EPS}, {"bias": bias}):
            keys, values = qkv.new_zeros(2, 1, PAIRS, SLOTS, HEAD_DIM)
            slots = Slots(keys, values, 0, 3, 3 + ROWS - 1)
            if is_kernel:
                row = table([slots])[0].to(qkv.device)
                queries = rope_to_cache.rope_to_cache(qkv, cos_sin, row, HEADS, PAIRS, **weights)
            else:
                queries = rope_to_cache.reference(qkv, cos_sin, slots, HEADS, **weights)
            found += [queries, keys, values]
        answers.append(found)
    return close(*answers)


def _attention_is_right(numbers: Numbers) -> bool:
    """Of a canvas, of what is read in order, and of a tree."""
    queries = numbers(1, ROWS, HEADS, HEAD_DIM) * HEAD_DIM**-0.5
    keys, values = numbers(1, PAIRS, SLOTS, HEAD_DIM), numbers(1, PAIRS, SLOTS + 1, HEAD_DIM)[:, :, 1:].contiguous()
    slots = Slots(keys, values, 2, SLOTS - ROWS, SLOTS)
    row = table([slots])[0].to(queries.device)
    mask = numbers(ROWS, SLOTS) > 0
    ways: list[dict[str, Any]] = [{}, {"is_causal": True}, {"is_causal": True, "window": 9}, {"mask": mask}]
    found = [cache_attention.cache_attention(queries, row, PAIRS, 0.9, **way) for way in ways]
    return close(found, [cache_attention.reference(queries, slots, 0.9, **way) for way in ways])


def _head_is_right(numbers: Numbers) -> bool:
    """But for the samples: a number that falls between two tokens is either's after a rounding."""
    logits = numbers(ROWS, VOCAB) * 5
    logits[:, VOCAB // 2] = 24.0  # one best token: of several torch may take any on a GPU
    uniform = torch.linspace(0.05, 0.95, ROWS, device=logits.device)
    expected, probabilities = head_statistics.reference(logits, CAP, TEMPERATURE, uniform)
    found = head_statistics.statistics(logits, CAP, TEMPERATURE, uniform)
    made = head_statistics.to_probabilities(logits.clone(), CAP, TEMPERATURE, found.highest, found.confidence)
    is_same = bool((found.best == expected.best).all() and ((found.drawn >= 0) & (found.drawn < VOCAB)).all())
    return is_same and close([*found[2:], made], [*expected[2:], probabilities])


def close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether numbers are the same but for roundings to bfloat16, on one device."""
    pairs = [(one.double(), other.double()) for one, other in zip(found, expected, strict=True)]
    return all(bool((one - other).abs().max() <= TOLERANCE * other.abs().max()) for one, other in pairs)


CHECKS: dict[str, Callable[[Numbers], bool]] = {
    "norms": _norms_are_right,
    "norms between the products of a layer": _layer_norms_are_right,
    "routes to experts": _routes_are_right,
    "gates": _gates_are_right,
    "rotations into the cache": _rotations_are_right,
    "attention": _attention_is_right,
    "the head's statistics": _head_is_right,
}
