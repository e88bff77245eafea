"""What a denoising step needs of the head's logits, from one reading of them: best tokens, samples, entropies.

A first kernel reads every tile of a row once and leaves four numbers of it, relative to the tile's own maximum (the
online softmax of Milakov and Gimelshein, arXiv 1805.02867, without its loop). A second one puts a row's tiles together.
A sample falls into one tile, which is all that is read again for it. A third kernel turns logits into probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 4096  # tokens of one program: 32 numbers a thread


class Statistics(NamedTuple):
    """Of every row, each of shape [rows]. Ties go to the first token, as torch has it on CPU."""

    best: Tensor  # int64: the likeliest tokens
    drawn: Tensor  # int64: samples
    highest: Tensor  # float32: the best tokens' logits, capped and divided by the temperature
    confidence: Tensor  # float32: the best tokens' probabilities
    entropy: Tensor  # float32, nats

    @property
    def log_sum_exp(self) -> Tensor:
        """Of a row's logits, capped and divided by the temperature, float32."""
        return self.highest - self.confidence.log()


def statistics(logits: Tensor, cap: float, temperature: float, uniform: Tensor, tile: int = TILE) -> Statistics:
    """Of the distributions softmax(cap tanh(logits / cap) / temperature).

    `logits` has shape [rows, vocab], in any float type; -inf stands for a token that is impossible, and a row has one
    that is not. `uniform`, float32 [rows] from 0 up to 1, decides the samples: a number below the best token's
    probability is that token, the others share the rest in the order of their ids, but for its last millionth.
    Arithmetic is in float32. `tile` is a power of 2.
    """
    rows, vocab, tiles = _checked(logits, tile)
    assert uniform.shape == (rows,) and uniform.dtype == torch.float32, "a number in float32 for every row"
    numbers = uniform.new_empty(3, rows, tiles)
    first = torch.empty(rows, tiles, dtype=torch.int32, device=logits.device)
    _tiles_kernel[rows, tiles](logits, numbers, first, rows, vocab, cap, temperature, TILE=tile, num_warps=4)
    ids = torch.empty(2, rows, dtype=torch.int64, device=logits.device)
    found = uniform.new_empty(3, rows)
    _rows_kernel[rows,](
        logits,
        numbers,
        first,
        uniform.contiguous(),
        ids,
        found,
        rows,
        vocab,
        tiles,
        cap,
        temperature,
        TILE=tile,
        TILES=triton.next_power_of_2(tiles),
        num_warps=4,
    )
    return Statistics(*ids, *found)


def to_probabilities(
    logits: Tensor, cap: float, temperature: float, highest: Tensor, confidence: Tensor, tile: int = TILE
) -> Tensor:
    """The distributions that `statistics` has seen, [rows, vocab] in the type of the logits, which are overwritten."""
    rows, vocab, tiles = _checked(logits, tile)
    _probabilities_kernel[rows, tiles](
        logits, highest.contiguous(), confidence.contiguous(), vocab, cap, temperature, TILE=tile, num_warps=4
    )
    return logits


def reference(logits: Tensor, cap: float, temperature: float, uniform: Tensor) -> tuple[Statistics, Tensor]:
    """The same in torch, and the probabilities, [rows, vocab] in float32."""
    capped = torch.where(logits == -torch.inf, -torch.inf, (logits.float() / cap).tanh() * cap)
    highest, best = (capped / temperature).max(-1)
    below = capped / temperature - highest[:, None]
    probabilities = below.softmax(-1)
    confidence = probabilities.gather(-1, best[:, None]).squeeze(-1)
    entropy = -confidence.log() - (probabilities * below.nan_to_num(neginf=0.0)).sum(-1)
    reached = probabilities.scatter(-1, best[:, None], 0.0).cumsum(-1)
    wanted = torch.minimum((uniform - confidence)[:, None], reached[:, -1:] * (1 - 1e-6))
    other = torch.searchsorted(reached, wanted, right=True).squeeze(-1)
    drawn = torch.where(uniform < confidence, best, other)
    return Statistics(best, drawn, highest, confidence, entropy), probabilities


def _checked(logits: Tensor, tile: int) -> tuple[int, int, int]:
    """Rows, columns and tiles of a row."""
    assert logits.dim() == 2 and logits.is_contiguous() and logits.is_floating_point(), "logits are [rows, vocab]"
    rows, vocab = logits.shape
    return rows, vocab, triton.cdiv(vocab, tile)


@triton.jit
def _scaled(logits, row, tile, vocab, cap, temperature, TILE: tl.constexpr):
    """A tile's logits, capped and divided by the temperature, in float32; -inf behind the vocabulary's end."""
    ids = tile * TILE + tl.arange(0, TILE)
    # 64 bits: 8,192 rows of 262,144 tokens are more than 31 can count.
    raw = tl.load(logits + row.to(tl.int64) * vocab + ids, mask=ids < vocab, other=-float("inf")).to(tl.float32)
    # tanh(y) = 1 - 2 / (exp(2 y) + 1), which also holds where exp has no number left: libdevice is not interpreted.
    capped = cap * (1.0 - 2.0 / (tl.exp(2.0 * (raw / cap)) + 1.0))
    return tl.where(raw == -float("inf"), raw, capped / temperature)


@triton.jit
def _weights(scaled, top, left_out):
    """exp(scaled - top) and scaled - top; both 0 where there is nothing, or at the place that is left out."""
    counts = (scaled > -float("inf")) & (tl.arange(0, scaled.shape[0]) != left_out)
    below = tl.where(counts, scaled - top, 0.0)
    return tl.where(counts, tl.exp(below), 0.0), below


@triton.jit
def _first_beyond(weights, wanted):
    """The first place up to which the weights' sum is more than `wanted`; the last place with a weight, if none is.

    Sums are made in no order, so that a place without weight might seem to be that place.
    """
    at = tl.arange(0, weights.shape[0])
    beyond = (weights > 0) & (tl.cumsum(weights, 0) > wanted)
    last = tl.max(tl.where(weights > 0, at, 0), 0)
    return tl.min(tl.where(beyond, at, last), 0)


@triton.jit(do_not_specialize=["rows"])
def _tiles_kernel(logits, numbers, first, rows, vocab, cap, temperature, TILE: tl.constexpr):
    """Of a tile: its maximum, where that is, and what the other tokens weigh beside it, alone and times their logits.

    The maximum itself is left out of the sums: what is left beside a sure token keeps its small number.
    """
    row, tile = tl.program_id(0), tl.program_id(1)
    scaled = _scaled(logits, row, tile, vocab, cap, temperature, TILE)
    top, place = tl.max(scaled, 0, return_indices=True, return_indices_tie_break_left=True)
    weights, below = _weights(scaled, top, place)
    tiles = tl.num_programs(1)
    at = row * tiles + tile
    tl.store(numbers + at, top)
    tl.store(numbers + rows * tiles + at, tl.sum(weights, 0))
    tl.store(numbers + 2 * rows * tiles + at, tl.sum(weights * below, 0))
    tl.store(first + at, tl.minimum(tile * TILE + place, vocab - 1))  # an id, whatever NaNs do


@triton.jit(do_not_specialize=["rows"])
def _rows_kernel(
    logits,
    numbers,
    first,
    uniform,
    ids,
    found,
    rows,
    vocab,
    tiles,
    cap,
    temperature,
    TILE: tl.constexpr,
    TILES: tl.constexpr,
):
    """Puts the tiles of a row together, and looks for its sample in one of them."""
    row, tile = tl.program_id(0), tl.arange(0, TILES)
    at, there = row * tiles + tile, tile < tiles
    tops = tl.load(numbers + at, mask=there, other=-float("inf"))
    rest = tl.load(numbers + rows * tiles + at, mask=there, other=0.0)
    moment = tl.load(numbers + 2 * rows * tiles + at, mask=there, other=0.0)
    highest, winner = tl.max(tops, 0, return_indices=True, return_indices_tie_break_left=True)
    best = tl.load(first + row * tiles + tl.minimum(winner, tiles - 1))  # a tile, whatever NaNs do
    share, below = _weights(tops, highest, -1)
    others = tl.where(tile == winner, rest, share * (1.0 + rest))  # what a tile weighs, without the best token
    left = tl.sum(others, 0)
    total = 1.0 + left
    mean = tl.sum(share * (moment + below * (1.0 + rest)), 0) / total
    confidence, number = 1.0 / total, tl.load(uniform + row)
    drawn = best
    if number >= confidence:
        wanted = tl.minimum((number - confidence) * total, left * (1.0 - 1e-6))
        chosen = _first_beyond(others, wanted)
        before = tl.sum(tl.where(tile < chosen, others, 0.0), 0)
        top = tl.load(numbers + row * tiles + chosen)
        scaled = _scaled(logits, row, chosen, vocab, cap, temperature, TILE)
        weights, _ = _weights(scaled, top, best - chosen * TILE)
        drawn = chosen * TILE + _first_beyond(weights, (wanted - before) / tl.exp(top - highest))
    tl.store(ids + row, best.to(tl.int64))
    tl.store(ids + rows + row, drawn.to(tl.int64))
    tl.store(found + row, highest)
    tl.store(found + rows + row, confidence)
    tl.store(found + 2 * rows + row, tl.log(total) - mean)


@triton.jit
def _probabilities_kernel(logits, highest, confidence, vocab, cap, temperature, TILE: tl.constexpr):
    """exp(scaled - highest) * confidence, in place: every number is read and written by one thread."""
    row, tile = tl.program_id(0), tl.program_id(1)
    scaled = _scaled(logits, row, tile, vocab, cap, temperature, TILE)
    weights, _ = _weights(scaled, tl.load(highest + row), -1)
    ids = tile * TILE + tl.arange(0, TILE)
    values = weights * tl.load(confidence + row)
    tl.store(logits + row.to(tl.int64) * vocab + ids, values.to(logits.dtype.element_ty), mask=ids < vocab)
