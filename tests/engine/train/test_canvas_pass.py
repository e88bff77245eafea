"""The pass that is trained computes what the pass that is used computes, and its gradients are those of its formula."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest
import torch
from embedded import embedded, read
from torch import Tensor

from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading
from lacuna.engine.families.gap import lora as adapter
from lacuna.engine.families.gap.decoding.canvas import Canvas
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree
from lacuna.engine.families.gap.kv_context import KvContext
from lacuna.engine.store import model_store
from lacuna.engine.train import frozen, gaps, reads
from lacuna.engine.train.batch import Batch, Group, batch
from lacuna.engine.train.canvas_pass import CanvasPass
from lacuna.engine.train.frozen import Frozen
from lacuna.engine.train.gaps import Window
from lacuna.engine.train.lora import Factors, Lora, Stack
from lacuna.engine.train.loss import loss
from lacuna.engine.train.padded import Capacity, padded

TEXT = (Path(__file__).parents[2] / "data" / "training_window.txt").read_text(encoding="utf-8")
SINK, END = 0, 0


@cache
def base() -> Frozen:
    model_store.pull(model_store.EMBEDDED)
    return frozen.load(model_store.EMBEDDED, runtime.choose(device="cpu", dtype="float32"))


@cache
def lora() -> Lora:
    directory = loading.adapter_directory(model_store.EMBEDDED)
    start = adapter.load(directory, base().decoder.config, model_store.EMBEDDED)
    made = Lora(base().layers, start.config["r"], start.config["lora_alpha"], start, {adapter.MASK: base().noise})
    made.merge()
    return made


@cache
def window_and_batch() -> tuple[Window, Batch]:
    window = gaps.cut(TEXT, 0, "python", 160, 6, base().tokenizer, random.Random(5))
    return window, batch(window, SINK, END, random.Random(2))


def states() -> tuple[reads.Reads, Tensor]:
    _, drawn = window_and_batch()
    read_window = reads.read(drawn.ids, base().decoder)
    run = CanvasPass(base().decoder, base().norms, lora(), embedded().denoiser.config.suffix_distance)
    return read_window, run(drawn, read_window)


def test_the_trained_pass_is_the_one_that_is_used() -> None:
    window, drawn = window_and_batch()
    _, hidden = states()
    compared = {"read": 0, "from the left": 0, "between": 0}
    needed = torch.zeros(len(hidden), 1).index_fill(0, drawn.rows, 1).bool()
    by_group = zip(drawn.groups, _by_group(drawn, hidden), _by_group(drawn, needed), strict=True)
    for group, rows, computed in by_group:
        for at in range(len(group.anchors)):
            prefix = list(window.ids[: int(group.anchors[at])])
            leftmost = _leftmost(group, at)
            with torch.inference_mode():  # all of it, as in the engine: a cache made so is written to so
                context = read(embedded(), prefix, list(window.suffixes[int(group.suffixes[at])]))
                expected = _used(context, group, at, leftmost)
            there = slice(leftmost, leftmost + len(expected))
            counts = computed[at, there, 0]
            assert counts.any()
            found = base().decoder.log_probabilities(rows[at, there][counts].detach())
            torch.testing.assert_close(found, expected[counts], atol=2e-3, rtol=1e-4)
            compared["read" if group.read[at] else "from the left" if group.from_left[at] else "between"] += 1
    assert min(compared.values()) >= 2, compared


def _leftmost(group: Group, at: int) -> int:
    return 0 if group.read[at] else int((~group.known[at]).nonzero()[0])


def _used(context: KvContext, group: Group, at: int, leftmost: int) -> Tensor:
    """What the engine says of a canvas from a position on, [positions, vocab]."""
    denoiser, tokens = embedded().denoiser, tuple(group.tokens[at].tolist())
    if group.read[at]:
        said = denoiser.denoise(context, CanvasTree([tokens], {})).log_probs
        return torch.stack([said[tokens[:count]] for count in range(len(tokens))])
    if group.from_left[at]:
        known = tokens[:leftmost]
        said = denoiser.denoise(context, CanvasTree([known], {known: group.length - 1 - leftmost}))
        return torch.cat([said.log_probs[known][None], said.proposals[known]])
    canvas = Canvas(group.length)
    for place in group.known[at].nonzero().flatten().tolist():
        canvas.accept(place, tokens[place])
    (rows,) = denoiser.denoise_between(context, [canvas])
    return rows


def test_gradients_of_merged_factors_are_those_of_unmerged_ones() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(6, 5), torch.randn(4, 5)]
    factors = [
        Factors(torch.randn(2, 5, requires_grad=True), torch.randn(w.shape[0], 2, requires_grad=True)) for w in weights
    ]
    stack = Stack(weights, factors, 1.5)
    stack.merge()
    x = torch.randn(3, 5, requires_grad=True)
    tensors = [x, *(tensor for factor in factors for tensor in (factor.down, factor.up))]
    plain = torch.cat([x @ w.T + 1.5 * (x @ f.down.T) @ f.up.T for w, f in zip(weights, factors, strict=True)], dim=1)
    torch.testing.assert_close(stack(x), plain)
    seed = torch.randn_like(plain)
    expected = torch.autograd.grad(plain, tensors, seed)
    for found, wanted in zip(torch.autograd.grad(stack(x), tensors, seed), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    "name",
    [
        "mask_embedding",
        "base_model.model.model.layers.29.mlp.up_proj.lora_B.weight",
        "base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight",  # what is read of suffixes has a part in it
    ],
)
def test_a_step_along_the_gradient_changes_the_loss_as_it_says(name: str) -> None:
    _, drawn = window_and_batch()
    parameter = dict(lora().parameters())[name]
    _, hidden = states()
    total = _loss(hidden, drawn)[0]
    (gradient,) = torch.autograd.grad(total, [parameter])
    step = gradient * (0.02 / float(gradient.norm()))
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            parameter.add_(step, alpha=sign)
        lora().merge()
        with torch.no_grad():
            values.append(float(_loss(states()[1], drawn)[0]))
            parameter.add_(step, alpha=-sign)
    lora().merge()
    assert values[0] - values[1] == pytest.approx(2 * 0.02 * float(gradient.norm()), rel=0.05)


def test_what_pads_a_batch_changes_nothing() -> None:
    window, _ = window_and_batch()
    exact = batch(window, SINK, END, random.Random(2), [length for length, _ in Capacity().canvases])
    small = Capacity(tokens=200, suffixes=9, suffix_tokens=64, canvases=((16, 50), (64, 8)), positions=600)
    parameters = [parameter for _, parameter in lora().parameters()]
    run = CanvasPass(base().decoder, base().norms, lora(), embedded().denoiser.config.suffix_distance)
    found = []
    for drawn in (exact, padded(exact, small)):
        total, sums = _loss(run(drawn, reads.read(drawn.ids, base().decoder)), drawn)
        found.append((total, sums, *torch.autograd.grad(total, parameters)))
    for plain, with_padding in zip(*found, strict=True):
        torch.testing.assert_close(plain, with_padding, atol=1e-5, rtol=1e-3)


def test_batches_of_one_capacity_have_one_shape() -> None:
    drawn = [gaps.cut(TEXT, 0, "python", size, 8, base().tokenizer, random.Random(size)) for size in (64, 256, 512)]
    shapes = [
        [tensor.shape for tensor in padded(batch(window, SINK, END, random.Random(1), (16, 64)), Capacity()).tensors()]
        for window in drawn
    ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_what_a_capacity_cuts_off_is_not_counted_as_right() -> None:
    window, _ = window_and_batch()
    drawn = batch(window, SINK, END, random.Random(2), [length for length, _ in Capacity().canvases])
    positions = len(drawn.targets.rows) // 2
    cut = padded(drawn, Capacity(tokens=200, positions=positions)).targets
    whole = {int(canvas) for canvas in cut.readings.nonzero()}
    beyond = padded(drawn, Capacity(tokens=200)).targets.canvases[positions : len(drawn.targets.rows)]
    assert whole and not whole & set(beyond.tolist())


def _by_group(drawn: Batch, hidden: Tensor) -> list[Tensor]:
    """[canvases, 1 + length, size] per group, for [rows, size]."""
    shapes = [(len(group.anchors), 1 + group.length) for group in drawn.groups]
    return [
        rows.unflatten(0, shape) for rows, shape in zip(hidden.split([a * b for a, b in shapes]), shapes, strict=True)
    ]


def _loss(hidden: torch.Tensor, drawn: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return loss(hidden.index_select(0, drawn.targets.rows), base().head, drawn.targets)
