"""Whole generations with the same noise as transformers' DiffusionGemma: every canvas, every stop, every token."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import tiny_diffusion_gemma as tiny
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_generation import emitted, own_run, reference_run
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine.families.diffusion_gemma.block_diffusion import Pins, denoise, finalize, generate
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma

WINDOW = 8
SHARP = EntropyBoundConfig(max_new_tokens=48, max_denoising_steps=12, t_min=0.2, t_max=0.4, eos_token_ids=(1,))


@pytest.mark.parametrize(
    ("seed", "batch", "tokens", "strength", "changes"),
    [
        (0, 1, 5, 0.3, {}),
        (1, 1, 40, 0.3, {"entropy_bound": 1.0}),
        (4, 2, 30, 0.3, {"confidence_threshold": 0.9, "stability_threshold": 0, "t_min": 0.4, "t_max": 0.8}),
        (5, 2, 12, 0.3, {"eos_token_ids": tuple(range(1, 7))}),
        (6, 1, 9, 0.2, {}),
        (7, 3, 20, 0.2, {"confidence_threshold": 0.1}),
        (8, 2, 7, 0.3, {"confidence_threshold": 0.1, "stability_threshold": 2, "entropy_bound": 0.5}),
    ],
)
@torch.inference_mode()
def test_same_generation(tmp_path: Path, seed: int, batch: int, tokens: int, strength: float, changes: dict) -> None:
    config = EntropyBoundConfig(**(asdict(SHARP) | changes))
    model = tiny.reference(seed, WINDOW, strength, embedding=1.0)
    ids = tiny.prompt(seed, batch, tokens)
    canvases, drafts, sequences = reference_run(model, ids, config, seed)
    found = own_run(tiny.ours(model, tmp_path), ids, config, seed)
    assert len(found) == len(drafts), "the same number of steps"
    for draft, expected in zip(found, drafts, strict=True):
        assert draft.best.equal(expected)
    for draft, following in zip(found, canvases[1:], strict=False):
        assert draft.emitted is not None or draft.canvas.equal(following)
    assert emitted(found).equal(sequences)


@pytest.mark.parametrize("canvas", [3, 7, 16])
@torch.inference_mode()
def test_same_generation_on_another_canvas(tmp_path: Path, canvas: int) -> None:
    """Its length is chosen at run time: the weights are the same."""
    model = tiny.reference(0, WINDOW, 0.3, embedding=1.0)
    model.config.canvas_length = canvas
    ids = tiny.prompt(0, 2, 9)
    _, drafts, sequences = reference_run(model, ids, SHARP, 0)
    found = own_run(tiny.ours(model, tmp_path), ids, SHARP, 0)
    assert found[0].canvas.shape == (2, canvas)
    assert len(found) == len(drafts)
    assert all(draft.best.equal(expected) for draft, expected in zip(found, drafts, strict=True))
    assert emitted(found).equal(sequences)


@given(seed=st.integers(0, 1000), free=st.sets(st.integers(0, tiny.CANVAS - 1), min_size=1), one_hot=st.booleans())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@torch.inference_mode()
def test_pins_never_change(model: DiffusionGemma, seed: int, free: set[int], one_hot: bool) -> None:
    cache = model.cache()
    model.encode(tiny.prompt(seed, 1, 11), cache)
    canvas = tiny.prompt(seed + 1, 1, tiny.CANVAS)
    pinned = [position for position in range(tiny.CANVAS) if position not in free]
    pins = Pins(torch.tensor(sorted(free)), one_hot)
    for draft in denoise(model, cache, canvas, SHARP, Noise(seed, tiny.VOCABULARY, "cpu"), pins):
        assert draft.canvas[:, pinned].equal(canvas[:, pinned])
        assert draft.best[:, pinned].equal(canvas[:, pinned])
        assert draft.entropy.shape == draft.confidence.shape == (1, len(free))


@torch.inference_mode()
def test_a_step_reads_the_device_once(model: DiffusionGemma, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading waits for a GPU. A canvas of `generate` is read once more: whether its text has ended."""
    reads: list[str] = []
    for name in ("tolist", "item", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__"):
        _counted(name, reads, monkeypatch)
    for name in ("denoise", "encode"):  # on a CPU experts are told their tokens, on a GPU with kernels they are not
        _uncounted(name, model, reads, monkeypatch)
    cache = model.cache(2)
    model.encode(tiny.prompt(0, 2, 11), cache)
    pins = Pins(torch.arange(5), allowed={0: torch.arange(tiny.VOCABULARY) > 3})
    for runs in (
        denoise(model, cache, tiny.prompt(1, 2, 8), SHARP, Noise(1, tiny.VOCABULARY, "cpu"), pins),
        generate(model, cache, SHARP, Noise(1, tiny.VOCABULARY, "cpu")),
    ):
        reads.clear()
        states = list(runs)
        canvases = sum(state.emitted is not None for state in states)
        assert len(states) > 2
        assert len(reads) == len(states) + canvases, reads


def _counted(name: str, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = getattr(torch.Tensor, name)

    def counted(tensor: torch.Tensor, *arguments: object) -> object:
        reads.append(name)
        return plain(tensor, *arguments)

    monkeypatch.setattr(torch.Tensor, name, counted)


def _uncounted(name: str, model: DiffusionGemma, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = getattr(model, name)

    def uncounted(*arguments: object) -> object:
        before = len(reads)
        found = plain(*arguments)
        del reads[before:]
        return found

    monkeypatch.setattr(model, name, uncounted)


@torch.inference_mode()
def test_what_the_host_has_of_a_step_is_what_the_device_has(model: DiffusionGemma) -> None:
    states = own_run(model, tiny.prompt(0, 2, 9), SHARP, 3)
    for state in states:
        assert state.best_ids == state.best.tolist()
        assert state.taken == state.accepted.tolist()
        assert state.is_last == (state.emitted is not None)
        assert state.is_last == (bool(state.finished.all()) or state.step == SHARP.max_denoising_steps)


@torch.inference_mode()
def test_one_seed_one_answer(model: DiffusionGemma) -> None:
    runs = [emitted(own_run(model, tiny.prompt(0, 2, 9), SHARP, seed)) for seed in (3, 3, 4)]
    assert runs[0].equal(runs[1])
    assert not runs[0].equal(runs[2])


@torch.inference_mode()
def test_a_step_leaves_the_cache_as_it_was(model: DiffusionGemma) -> None:
    ids, canvas = tiny.prompt(0, 1, 20), tiny.prompt(1, 1, tiny.CANVAS)
    cache = model.cache()
    model.encode(ids, cache)
    before = model.denoise(canvas, cache)
    model.denoise(tiny.prompt(2, 1, tiny.CANVAS), cache)
    assert cache.length == ids.shape[1]
    assert model.denoise(canvas, cache).equal(before)


@torch.inference_mode()
def test_canvases_may_share_one_text(model: DiffusionGemma) -> None:
    ids, canvases = tiny.prompt(0, 1, 20), tiny.prompt(1, 3, tiny.CANVAS)
    cache, own = model.cache(), model.cache(3)
    model.encode(ids, cache)
    model.encode(ids.expand(3, -1), own)
    assert (model.denoise(canvases, cache) - model.denoise(canvases, own)).abs().max() < 1e-5


def test_finalize_pads_behind_the_end() -> None:
    config = EntropyBoundConfig(eos_token_ids=(1, 7), pad_token_id=0)
    best = torch.tensor([[5, 7, 1, 9], [5, 6, 8, 9], [1, 1, 1, 1]])
    tokens, ended = finalize(best, torch.tensor([False, False, True]), config)
    assert tokens.tolist() == [[5, 7, 0, 0], [5, 6, 8, 9], [0, 0, 0, 0]]
    assert ended.tolist() == [True, False, True]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DiffusionGemma:
    return tiny.ours(tiny.reference(20, WINDOW, 0.3, embedding=1.0), tmp_path_factory.mktemp("model"))
