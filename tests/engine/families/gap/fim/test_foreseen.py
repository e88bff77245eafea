"""Masked positions that a prefill reads behind its last token: what they predict is what a canvas pass would say."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from packed_gap_model import loaded
from safetensors.torch import load_file, save_file
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.api import Gap
from lacuna.engine.families.gap.decoding.drafter import AHEAD
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.engine.families.gap.kv_context import CHUNK, KvContext
from lacuna.engine.families.gap.session import Session

LONG = [40 + at % 50 for at in range(CHUNK + 9)]  # more than one chunk


@cache
def filled() -> GapFiller:
    with TemporaryDirectory() as directory:
        return loaded(write_tiny_fim_model(Path(directory)))


def prefilled(*prefixes: list[int], ahead: int = AHEAD) -> KvContext:
    """A context that has held these one after the other."""
    context = filled().denoiser.context(ahead)
    for prefix in prefixes:
        context.prefill_prefix(prefix, lambda: None)
    return context


def stacked(context: KvContext) -> torch.Tensor:
    return torch.stack(list(filled().denoiser.foreseen(context).values()))


@pytest.mark.parametrize("prefix", [LONG[:1], LONG[:7], LONG])
@torch.inference_mode()
def test_it_is_what_a_canvas_pass_says(prefix: list[int]) -> None:
    context = prefilled(prefix)
    found = stacked(context)
    verified = filled().denoiser.denoise(context, CanvasTree([()], {(): AHEAD}))
    expected = torch.cat([verified.log_probs[()][None], verified.proposals[()]])
    assert found.shape == expected.shape == (1 + AHEAD, found.shape[1])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_it_is_kept_for_a_prefix_that_comes_back() -> None:
    """Also where another context takes over what this one holds; and never for a prefix that is another one."""
    there_and_back = prefilled(LONG[:20], LONG[:40], LONG[:20])
    torch.testing.assert_close(stacked(there_and_back), stacked(prefilled(LONG[:20])), atol=1e-4, rtol=0)
    taken_over = filled().denoiser.context(AHEAD)
    taken_over.copy_from(there_and_back, 20)
    torch.testing.assert_close(stacked(taken_over), stacked(there_and_back), atol=1e-4, rtol=0)
    changed = prefilled(LONG[:20], [*LONG[:10], 99, *LONG[11:20]])
    expected = prefilled([*LONG[:10], 99, *LONG[11:20]])
    torch.testing.assert_close(stacked(changed), stacked(expected), atol=1e-4, rtol=0)
    assert len(stacked(prefilled(LONG[:20], LONG[:12]))) == 1, "nothing was read behind the twelfth token"


@torch.inference_mode()
def test_it_leaves_nothing_in_the_cache_that_anything_sees() -> None:
    """What follows is read over the masked positions' slots."""
    for ahead in (0, AHEAD):
        context = prefilled(LONG[:9], LONG[:11], LONG[:30], ahead=ahead)
        fresh = prefilled(LONG[:30], ahead=0)
        torch.testing.assert_close(context.next_log_probabilities, fresh.next_log_probabilities, atol=1e-4, rtol=0)


def test_it_changes_no_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    (texts, _), (expected, _) = both_ways(filled(), monkeypatch)
    assert texts == expected


def test_it_saves_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model that says the same token everywhere, which masked positions foresee."""
    (texts, forwards), (expected, more) = both_ways(loaded(repeating(tmp_path)), monkeypatch)
    assert texts == expected
    assert all(len(set(text)) == 1 for text in texts)
    assert all(few < many for few, many in zip(forwards, more, strict=True))


def both_ways(filler: GapFiller, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[int]]]:
    """Fills and their passes, with masked positions behind the prefill and without."""
    gaps = [
        Gap(f"def area_{at}(width, height):\n    return ", "\n\nprint(area(2, 3))\n", "python", max_tokens=12)
        for at in range(8)
    ]
    found = []
    for ahead in (AHEAD, 0):
        monkeypatch.setattr("lacuna.engine.families.gap.session.AHEAD", ahead)
        fills = [Session(filler.denoiser, filler.tokenizer).infill(gap, 1, lambda: None)[0] for gap in gaps]
        found.append(([fill.text for fill in fills], [fill.forwards for fill in fills]))
    return found


def repeating(directory: Path) -> Path:
    """A model to which everything looks alike and calls for one and the same token."""
    write_tiny_fim_model(directory)
    changed = {
        "model.safetensors": ("model.embed_tokens.weight", "lm_head.weight"),
        "adapter_model.safetensors": ("mask_embedding",),
    }
    for file, names in changed.items():
        weights = load_file(directory / file)
        for name in names:
            rows = weights[name] if name != "lm_head.weight" else weights[name][60]
            rows[..., 0] += 3.0
        save_file(weights, directory / file)
    return directory


def test_where_another_decoder_fills_the_canvas_nothing_is_read_ahead(tmp_path: Path) -> None:
    """What the base alone would predict there means nothing."""
    denoiser = loaded(write_tiny_model(tmp_path)).denoiser
    context = denoiser.context(AHEAD)
    context.prefill_prefix(LONG[:9], lambda: None)
    assert list(denoiser.foreseen(context)) == [0]


def test_without_an_adapter_nothing_is_read_ahead(tmp_path: Path) -> None:
    denoiser = loaded(write_tiny_fim_model(tmp_path, adapter=False)).denoiser
    context = denoiser.context(AHEAD)
    context.prefill_prefix(LONG[:9], lambda: None)
    assert list(denoiser.foreseen(context)) == [0]
