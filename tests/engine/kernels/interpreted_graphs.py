"""Passes in the shapes that are captured, over inputs that stay where they are, in Triton's interpreter: what comes of
a request is what comes of passes as long as its texts. Only the launch as a graph needs a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import tiny_diffusion_gemma as tiny
import torch

from lacuna.engine.families.diffusion_gemma import cache as cache_module
from lacuna.engine.families.diffusion_gemma import captured_passes
from lacuna.engine.families.diffusion_gemma.block_diffusion import CanvasState, Pins, denoise
from lacuna.engine.families.diffusion_gemma.captured_passes import CapturedPasses
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.families.diffusion_gemma.prompt import Prompt
from lacuna.engine.kernels import availability
from lacuna.engine.layers.cuda_graphs import Graphs, Run, as_it_is

CONFIG = EntropyBoundConfig(max_denoising_steps=2, t_min=0.2, t_max=0.4, entropy_bound=1.0, confidence_threshold=0.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DiffusionGemma:
    """With kernels, a layer of each kind and a window of 4 tokens."""
    layers = {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    reference = tiny.reference(7, 4, 0.3, embedding=1.0, **layers, **heads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(availability, "are_available", lambda device: True)
        return tiny.ours(reference, tmp_path_factory.mktemp("model"))


@pytest.fixture
def graphs(model: DiffusionGemma, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graphs]:
    """Of small shapes, and caches that soon grow: the interpreter takes milliseconds for a token's head."""
    monkeypatch.setattr(captured_passes, "TOKENS", (2, 6))
    monkeypatch.setattr(captured_passes, "ROWS", (1, 3))
    monkeypatch.setattr(captured_passes, "CANVASES", (1, 4))
    monkeypatch.setattr(cache_module, "FIRST_CAPACITY", 12)
    monkeypatch.setattr(cache_module, "SPARE", 2)
    made = Graphs("cpu", as_it_is)
    model.captured = CapturedPasses(model, made)
    yield made
    model.captured = None


def check_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def generated(model: DiffusionGemma) -> list[CanvasState]:
    """Three canvases behind one text, with pins; the second step takes what the first one expected."""
    cache, pins = model.cache(), Pins(torch.tensor([0, 1, 3]))
    model.encode(tiny.prompt(3, 1, 6), cache)
    return list(denoise(model, cache, tiny.prompt(5, 3, 4), CONFIG, Noise(4, tiny.VOCABULARY, "cpu"), pins))


@torch.inference_mode()
def test_same_canvases_with_the_same_noise(model: DiffusionGemma, graphs: Graphs) -> None:
    captured = generated(model)
    assert len(graphs) == 2  # the text, and both steps
    model.captured = None
    for mine, other in zip(captured, generated(model), strict=True):
        assert mine.canvas.equal(other.canvas) and mine.best.equal(other.best) and mine.accepted.equal(other.accepted)
        check_same(mine.entropy, other.entropy)


@torch.inference_mode()
def test_a_prompt_is_typed_and_scored(model: DiffusionGemma, graphs: Graphs) -> None:
    """Tokens come and go, continuations are scored between, and nothing that filled up a pass is seen afterwards. Two
    prompts take turns in the same graphs."""
    ids, other = tiny.prompt(1, 1, 9)[0].tolist(), tiny.prompt(2, 1, 5)[0].tolist()
    texts = [ids[:2], other, ids[:7], ids[:5]]
    scored: list[list[list[float]]] = []
    for is_captured in (True, False):
        if not is_captured:
            model.captured = None
        prompts = [Prompt(model), Prompt(model)]
        scored.append([])
        for text in texts:
            prompt = prompts[text[0] == other[0]]
            prompt.update(text)
            scored[-1] += prompt.scores([ids[3:6], other[:1]])
    assert len(graphs) == 3  # of one row 2 and 6 tokens, and what is scored: 3 rows of 6
    for mine, expected in zip(*scored, strict=True):
        assert mine == pytest.approx(expected, abs=1e-4)


@torch.inference_mode()
def test_a_graph_outlives_the_cache_that_it_was_captured_with(model: DiffusionGemma, graphs: Graphs) -> None:
    """A cache that has grown has other buffers, and a window that was moved on another origin."""
    text, canvas = tiny.prompt(1, 1, 30), tiny.prompt(5, 1, 4)
    cache, plain = model.cache(), model.cache()
    model.encode(text[:, :3], cache)
    model.denoise(canvas, cache)
    known, before, origin = len(graphs), cache.layers[0].keys.data_ptr(), cache.layers[0].origin
    for start, stop in ((3, 9), (9, 22), (22, 28), (28, 30)):
        model.encode(text[:, start:stop], cache)
    found = model.denoise(canvas, cache)
    assert len(graphs) == known + 1 == 3, "two tokens are new to them, six are not, and thirteen are too many"
    assert cache.layers[0].origin > origin
    assert cache.layers[0].keys.data_ptr() != before
    model.captured = None
    model.encode(text, plain)
    check_same(found, model.denoise(canvas, plain))


@torch.inference_mode()
def test_what_was_prepared_is_captured_no_more(
    model: DiffusionGemma, graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured_passes, "USUAL", (96,))  # longer than this model's own
    monkeypatch.setattr(model, "config", replace(model.config, canvas_length=4))
    assert model.captured is not None
    for piece in model.captured.warm_ups():
        piece()
    assert len(graphs) == 2 * 2 + 2, "readings of 2 and 6 tokens, and canvases of 4, of one row and of more"
    generated(model)
    assert len(graphs) == 6


@torch.inference_mode()
def test_what_is_not_captured(model: DiffusionGemma, graphs: Graphs) -> None:
    """Long readings, large batches, and texts that have a cache row each."""
    cache, many = model.cache(), 5
    model.encode(tiny.prompt(1, 1, 3), cache)
    found, known = model.denoise(tiny.prompt(5, many, 3), cache), len(graphs)
    own = model.cache(2)
    model.encode(tiny.prompt(1, 2, 3), own)
    model.denoise(tiny.prompt(5, 2, 3), own)
    assert len(graphs) == known == 1
    check_same(found[:1], model.denoise(tiny.prompt(5, many, 3)[:1], cache))


@torch.inference_mode()
def test_graphs_are_checked(model: DiffusionGemma, graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers from what it was captured with is found, in either pass."""
    assert model.obstacle == "experts are decoded in groups, for which the host waits", "on a CPU one after the other"
    monkeypatch.setattr(captured_passes, "SAMPLE", 4)
    assert CapturedPasses(model, graphs).fault() == ""
    captures = []

    def second_is_frozen(run: Run) -> Run:
        captures.append(run)
        first = run()
        return run if len(captures) < 2 else lambda: first

    assert CapturedPasses(model, Graphs("cpu", second_is_frozen)).fault() == "a replay differs from the pass itself"
