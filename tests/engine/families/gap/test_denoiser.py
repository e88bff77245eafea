"""The gap family on real weights: against transformers, and cached against uncached passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from embedded import canvas_of, embedded, gap_cases, read
from safetensors.torch import load_file
from transformers import DynamicCache, LlamaForCausalLM

from lacuna.engine.api import Gap
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree, DraftTree
from lacuna.engine.families.gap.session import Session
from lacuna.engine.store import model_store
from lacuna.engine.text.token_healing import Boundary

pytestmark = pytest.mark.weights
CASES = pytest.mark.parametrize("case", gap_cases(), ids=lambda case: case["prefix"][:12])
OPEN = Boundary("", "", b"", False)  # the cases have no boundary


class Reference:
    """The canvas pass by transformers: one model with the base's weights reads the prefix, another one with the
    adapter added in reads the suffix where it stands, and the canvas."""

    def __init__(self) -> None:
        directory, adapter = model_store.find(model_store.EMBEDDED), loading.adapter_directory(model_store.EMBEDDED)
        assert adapter is not None
        self._base, self._adapted = (
            LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
            for _ in range(2)
        )
        tensors = {name: tensor.float() for name, tensor in load_file(adapter / lora.FILE).items()}
        words = json.loads((adapter / lora.CONFIG).read_text(encoding="utf-8"))
        self._noise = tensors.pop("mask_embedding")
        for name, down in tensors.items():
            if name.endswith("lora_A.weight"):
                place = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                up = tensors[name.replace("lora_A", "lora_B")]
                self._adapted.get_submodule(place).weight.data += words["lora_alpha"] / words["r"] * up @ down

    def logits(self, prefix: list[int], suffix: list[int], known: dict[int, int], length: int) -> torch.Tensor:
        """[length, vocab]"""
        ids, after = [0, *prefix], [0, *suffix[:64]]
        last, cache = len(ids) - 1, DynamicCache()
        before = self._base(torch.tensor([ids])).past_key_values
        places = torch.arange(len(after))[None] + last + 63  # without the sink it begins 64 positions behind the anchor
        behind = self._adapted(torch.tensor([after]), position_ids=places).past_key_values
        for layer, (near, far) in enumerate(zip(before.layers, behind.layers, strict=True)):
            keys = torch.cat([near.keys[:, :, :-1], far.keys[:, :, 1:]], dim=2)
            cache.update(keys, torch.cat([near.values[:, :, :-1], far.values[:, :, 1:]], dim=2), layer)
        embedding = self._adapted.get_input_embeddings().weight
        x = torch.stack(
            [embedding[ids[-1]], *(embedding[known[at]] if at in known else self._noise for at in range(length))]
        )
        given = torch.tensor([True, *(at in known for at in range(length))])
        own = given | torch.eye(1 + length, dtype=torch.bool)
        sides = torch.ones(1 + length, last + len(after) - 1, dtype=torch.bool)
        mask = torch.where(torch.cat([sides, own], dim=1), 0.0, -torch.inf)[None, None]
        found = self._adapted(
            inputs_embeds=x[None],
            past_key_values=cache,
            attention_mask=mask,
            position_ids=torch.arange(last, last + 1 + length)[None],
        )
        return found.logits[0, :length]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


@CASES
@pytest.mark.parametrize("known", [{}, {0: 200}, {0: 200, 1: 300, 5: 400}], ids=len)
@torch.inference_mode()
def test_a_canvas_pass_equals_the_reference(case: dict[str, Any], known: dict[int, int], reference: Reference) -> None:
    context = read(embedded(), case["prefix_ids"], case["suffix_ids"])
    canvas = canvas_of(known)
    found = embedded().denoiser.denoise_between(context, [canvas])[0]
    expected = reference.logits(case["prefix_ids"], case["suffix_ids"], known, len(canvas)).log_softmax(-1)
    torch.testing.assert_close(found, expected[canvas.leftmost() :], atol=5e-3, rtol=0)


@CASES
@torch.inference_mode()
def test_cached_passes_equal_uncached(case: dict[str, Any]) -> None:
    """Typing, deleting and typing again leaves the context of a single read."""
    filled, prefix, suffix = embedded(), case["prefix_ids"], case["suffix_ids"]
    fresh = read(filled, prefix, suffix)
    worn = read(filled, [*prefix[:1], 11, 12, 13], suffix)
    for ids in (prefix[:-1], [*prefix, 99], prefix[:1], prefix):
        worn.prefill_prefix(ids, lambda: None)
    worn.place_suffix(filled.denoiser.suffixes.prefill(suffix), filled.denoiser.config.suffix_distance)
    canvas = canvas_of({0: 262, 3: 30})
    (a,), (b,) = (filled.denoiser.denoise_between(context, [canvas]) for context in (fresh, worn))
    torch.testing.assert_close(a, b, atol=1e-3, rtol=0)
    torch.testing.assert_close(fresh.next_log_probabilities, worn.next_log_probabilities, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_rerotation_equals_a_read_at_the_place() -> None:
    """Keys read at positions 1.. and rotated on are those of a read that begins at the later position."""
    filled, ids = embedded(), gap_cases()[0]["suffix_ids"]
    base, adapted = filled.denoiser.base, filled.denoiser.adapted  # which prefills suffixes
    read_there = base.cache(len(ids) + 1)
    count = len(ids) + 1
    mask = torch.ones(count, count, dtype=torch.bool).tril()
    positions = torch.arange(count) + 300
    adapted.forward(base.embed([0, *ids]), positions, read_there, 0, 0, mask)
    context = filled.denoiser.context()
    context.ids = [0] * (300 - 64 + 2)  # so that the first suffix token stands at 301
    context.place_suffix(filled.denoiser.suffixes.prefill(ids), 64)
    placed = context.cache.keys[:, :, context.ORIGIN - len(ids) : context.ORIGIN]
    torch.testing.assert_close(placed, read_there.keys[:, :, 1:], atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_lanes_in_one_pass_equal_lanes_alone() -> None:
    filled, case = embedded(), gap_cases()[1]
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    canvases = [canvas_of({}), canvas_of({0: 198, 1: 472}), canvas_of({5: 30})]
    together = filled.denoiser.denoise_between(context, canvases)
    for canvas, rows in zip(canvases, together, strict=True):
        torch.testing.assert_close(filled.denoiser.denoise_between(context, [canvas])[0], rows, atol=1e-3, rtol=0)
    apart = {(): 3, (262, 30): 5, (262,): 2}
    verified = filled.denoiser.denoise(context, CanvasTree([(262, 30), (198, 472)], apart))
    for beginning, length in apart.items():
        alone = filled.denoiser.denoise(context, CanvasTree([beginning], {beginning: length}))
        torch.testing.assert_close(verified.proposals[beginning], alone.proposals[beginning], atol=1e-3, rtol=0)
        torch.testing.assert_close(verified.log_probs[beginning], alone.log_probs[beginning], atol=1e-3, rtol=0)
    drafts = [[262, 30], [], [198, 472, 12], [262, 472, 12], [262, 30, 9]]
    for draft, rows in zip(drafts, filled.denoiser.score(context, DraftTree(drafts)), strict=True):
        (alone,) = filled.denoiser.score(context, DraftTree([draft]))
        torch.testing.assert_close(alone, rows, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_an_accepted_draft_is_not_read_again() -> None:
    """The reranker's keys and values are the prefix' continuation."""
    filled, case = embedded(), gap_cases()[0]
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    draft = [7221, 30, 1440, 24]
    tree = DraftTree([[7221, 6], draft])  # the first token is read once for both
    filled.denoiser.score(context, tree)
    assert tree.paths[1] == [0, 2, 3, 4]
    context.keep_draft_kv(draft, [context.tail + row for row in tree.paths[1]])
    assert context.prefill_prefix([*case["prefix_ids"], *draft, 9], lambda: None) == 1
    fresh = read(filled, [*case["prefix_ids"], *draft, 9], case["suffix_ids"])
    torch.testing.assert_close(context.next_log_probabilities, fresh.next_log_probabilities, atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@torch.inference_mode()
def test_the_number_of_threads_changes_nothing(dtype: str) -> None:
    """Threads follow what other programs leave free (engine/device/cpu_threads.py), and the same gap must give the same
    fill."""
    filled, case, threads = embedded(dtype), gap_cases()[1], torch.get_num_threads()
    rows = []
    for count in (1, 2):
        torch.set_num_threads(count)
        context = read(filled, case["prefix_ids"], case["suffix_ids"])
        rows.append(filled.denoiser.denoise_between(context, [canvas_of({0: 198})])[0])
    torch.set_num_threads(threads)
    assert torch.equal(*rows)


def test_bfloat16_fills_as_float32_nearly_always() -> None:
    same = 0
    for case in gap_cases():
        fills = [Session(f.denoiser, f.tokenizer) for f in (embedded("float32"), embedded("bfloat16"))]
        same += len({session.infill(gap_of(case), 1, lambda: None)[0].text for session in fills}) == 1
    assert same >= len(gap_cases()) - 1


def gap_of(case: dict[str, Any]) -> Gap:
    return Gap(case["prefix"], case["suffix"], "python")
