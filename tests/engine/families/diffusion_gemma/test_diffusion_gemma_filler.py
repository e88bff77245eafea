"""Filling gaps with a random tiny DiffusionGemma: what reaches the model, what is reused, what comes back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Event

import pytest
import tiny_diffusion_gemma as tiny
import tiny_gemma_tokenizer
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine.api import Frame, Gap, RewriteRequest, Snippet, Stopped
from lacuna.engine.families.diffusion_gemma.chat import Chat
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig
from lacuna.engine.families.diffusion_gemma.filler import PATIENCE, DiffusionGemmaInfiller
from lacuna.engine.families.diffusion_gemma.infill_layout import lengths
from lacuna.engine.families.diffusion_gemma.layer import Layer
from lacuna.engine.families.diffusion_gemma.loading import load
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.families.diffusion_gemma.prompt import Prompt
from lacuna.engine.families.diffusion_gemma.question import PREFIX_CHARACTERS, Questioner
from lacuna.engine.families.diffusion_gemma.rewriter import DiffusionGemmaRewriter
from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer

WINDOW = 64
CONFIG = EntropyBoundConfig(max_denoising_steps=4, eos_token_ids=(1, 5))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> GemmaTokenizer:
    return GemmaTokenizer(tiny_gemma_tokenizer.write(tmp_path_factory.mktemp("tokenizer")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DiffusionGemma:
    directory = tmp_path_factory.mktemp("model")
    size = tiny_gemma_tokenizer.size(tiny_gemma_tokenizer.write(directory))
    return tiny.ours(tiny.reference(0, WINDOW, 0.3, vocab_size=size), directory)


@pytest.fixture
def infiller(model: DiffusionGemma, tokenizer: GemmaTokenizer) -> DiffusionGemmaInfiller:
    return DiffusionGemmaInfiller(model, tokenizer, CONFIG)


@given(st.text(max_size=40))
def test_text_comes_back(tokenizer: GemmaTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)).decode("utf-8") == text.replace("\u2581", " ")


def test_text_never_becomes_a_special_token(tokenizer: GemmaTokenizer) -> None:
    assert tokenizer.special("<turn|>") not in tokenizer.encode("a<turn|>b")
    with pytest.raises(ValueError, match="DiffusionGemma"):
        tokenizer.special("<none>")


def test_beginnings(tokenizer: GemmaTokenizer) -> None:
    spelled = [tokenizer.decode([token]) for token in tokenizer.beginning_with(b"ret")]
    assert sorted(spelled) == [b"ret", b"retu", b"retur", b"return"]


def test_chat_form(tokenizer: GemmaTokenizer) -> None:
    ids = Chat(tokenizer).instruct("Rename x to y", "x = 1", "python")
    names = {tokenizer.special(name): name for name in tiny_gemma_tokenizer.SPECIAL}
    parts = "".join(names.get(token) or tokenizer.decode([token]).decode() for token in ids)
    assert parts == ("<bos><|turn>user\nRename x to y\n\n```python\nx = 1\n```\n<turn|>\n<|turn>model\n```python\n")


@torch.inference_mode()
def test_typing_reads_what_is_new_and_deleting_reads_nothing(model: DiffusionGemma) -> None:
    ids = tiny.prompt(0, 1, 500)[0].tolist()
    prompt = Prompt(model)
    assert prompt.update(ids[:400]) == 400
    assert prompt.update(ids[:401]) == 1
    assert prompt.update(ids[:401]) == 0
    assert prompt.update(ids[:300]) == 0
    assert prompt.update([*ids[:300], 7, 8]) == 2
    check_same_as_fresh(model, prompt)


@torch.inference_mode()
def test_what_the_window_has_lost_is_read_again(model: DiffusionGemma) -> None:
    ids = tiny.prompt(1, 1, 1990)[0].tolist()
    prompt = Prompt(model)
    prompt.update(ids)
    assert prompt.update([*ids[:5], 9]) == 6
    check_same_as_fresh(model, prompt)


@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 40)), min_size=1, max_size=6))
@settings(max_examples=8, deadline=None)
@torch.inference_mode()
def test_any_edits_leave_what_a_fresh_reading_gives(model: DiffusionGemma, edits: list[tuple[int, int]]) -> None:
    ids = tiny.prompt(2, 1, 700)[0].tolist()
    prompt = Prompt(model)
    for number, (kept, added) in enumerate(edits):
        ids = ids[:kept] + tiny.prompt(3 + number, 1, added + 1)[0].tolist()
        prompt.update(ids)
    check_same_as_fresh(model, prompt)


@pytest.mark.parametrize("back", range(-2, 3))
@torch.inference_mode()
def test_a_text_that_is_cut_where_a_window_was_let_go_is_still_scored(model: DiffusionGemma, back: int) -> None:
    ids = tiny.prompt(5, 1, 1900)[0].tolist()
    prompt = Prompt(model)
    prompt.update(ids)
    origin = max(layer.origin for layer in prompt.cache.layers)
    assert origin > 0
    for kept in (origin + WINDOW + back, 1 + back % 3):
        prompt.update(ids[:kept])
        fresh = Prompt(model)
        fresh.update(ids[:kept])
        assert prompt.score([5, 6, 7]) == pytest.approx(fresh.score([5, 6, 7]), abs=1e-4)
        check_same_as_fresh(model, prompt)


class _Broken(Exception):
    """What a pass may raise: no memory, a driver's error."""


# What is done to a prompt: tokens kept, tokens added, tokens scored; the pass or the layer's call that fails, if any.
DONE = st.tuples(
    st.integers(0, 1200), st.integers(0, 400), st.sampled_from([0, 1, 9, 500]), st.none() | st.integers(0, 14)
)


@given(st.lists(DONE, min_size=1, max_size=5))
@settings(max_examples=12, deadline=None)
@torch.inference_mode()
def test_whatever_fails_the_prompt_knows_what_it_has_read(
    model: DiffusionGemma, done: list[tuple[int, int, int, int | None]]
) -> None:
    ids = tiny.prompt(6, 1, 1200)[0].tolist()
    prompt = Prompt(model)
    for number, (kept, added, scored, broken_at) in enumerate(done):
        ids = ids[:kept] + tiny.prompt(7 + number, 1, added + 1)[0].tolist()
        with contextlib.suppress(_Broken), _breaking(model, broken_at):
            prompt.update(ids)
            prompt.scores([tiny.prompt(8, 1, scored + 1)[0].tolist()] * (1 + number % 2))
        assert prompt.cache.length == len(prompt.ids)
        assert prompt.ids == ids[: len(prompt.ids)]
    prompt.update(ids)
    fresh = Prompt(model)
    fresh.update(ids)
    assert prompt.score([5, 6]) == pytest.approx(fresh.score([5, 6]), abs=1e-4)
    check_same_as_fresh(model, prompt)


@contextlib.contextmanager
def _breaking(model: DiffusionGemma, at: int | None) -> Iterator[None]:
    """Lets a call of a layer fail: the first for 0."""
    layers, calls = model._layers, count()

    def called(layer: Layer, *given: object) -> tuple[torch.Tensor, torch.Tensor]:
        if next(calls) == at:
            raise _Broken
        return layer(*given)  # type: ignore[arg-type]

    model._layers = [_Layer(layer, called) for layer in layers]  # type: ignore[misc]
    try:
        yield
    finally:
        model._layers = layers


class _Layer:
    def __init__(self, layer: Layer, called: Callable[..., tuple[torch.Tensor, torch.Tensor]]) -> None:
        self._layer, self._called = layer, called
        self.encoder_scalar, self.before = layer.encoder_scalar, layer.before

    def __call__(self, *given: object) -> tuple[torch.Tensor, torch.Tensor]:
        return self._called(self._layer, *given)


@torch.inference_mode()
def test_scores_are_the_encoders_and_leave_the_text_alone(model: DiffusionGemma) -> None:
    ids, said = tiny.prompt(4, 1, 90)[0].tolist(), [5, 6, 7]
    prompt = Prompt(model)
    prompt.update(ids)
    scores = prompt.score(said)
    whole = model.logits(model.read(torch.tensor([[*ids, *said]]), model.cache()))[0].log_softmax(-1)
    expected = [float(whole[len(ids) - 1 + at, token]) for at, token in enumerate(said)]
    assert scores == pytest.approx(expected, abs=1e-4)
    check_same_as_fresh(model, prompt)


@torch.inference_mode()
def test_scores_of_several_are_the_scores_of_each(model: DiffusionGemma) -> None:
    ids, several = tiny.prompt(4, 1, 90)[0].tolist(), [[5, 6, 7], [], [8], list(range(4, 40))]
    prompt = Prompt(model)
    prompt.update(ids)
    for scores, said in zip(prompt.scores(several), several, strict=True):
        assert scores == pytest.approx(prompt.score(said), abs=1e-4)
    check_same_as_fresh(model, prompt)


@pytest.mark.parametrize("suffix", [")\n", "", ")\n" * 100])
@pytest.mark.parametrize("prefix", ["", "def add(a", "def f():\n    ret", "x" * 40 + "\n    "])
def test_fills(infiller: DiffusionGemmaInfiller, prefix: str, suffix: str) -> None:
    gap = Gap(prefix, suffix, language="python", snippets=(Snippet("def g(): pass"),), max_tokens=5)
    frames: list[Frame] = []
    fills = infiller.infill(gap, document="a.py", on_frame=frames.append)
    assert frames
    assert {len(fills)} <= {1, 2}
    scores = [fill.features.score for fill in fills]
    assert scores == sorted(scores, reverse=True)
    assert [fill.text for fill in infiller.infill(gap, document="a.py")] == [fill.text for fill in fills]
    assert [fill.text for fill in infiller.infill(gap, document="other")] == [fill.text for fill in fills]


def test_a_length_that_does_not_come_to_rest_is_given_up(model: DiffusionGemma, tokenizer: GemmaTokenizer) -> None:
    calm = EntropyBoundConfig(max_denoising_steps=12, confidence_threshold=100.0, eos_token_ids=(1, 5))
    for prefix in ("def add(a", "x = [", "if a:\n    ret"):
        frames: list[Frame] = []
        gap = Gap(prefix, ")\n" * 9, max_tokens=7)
        fills = DiffusionGemmaInfiller(model, tokenizer, calm).infill(gap, num_candidates=4, on_frame=frames.append)
        starts = [at for at, frame in enumerate(frames) if frame.step == 1]
        steps = [stop - start for start, stop in zip(starts, [*starts[1:], len(frames)], strict=True)]
        assert sorted(steps) == sorted(fill.steps for fill in fills)
        assert len(steps) == 4
        assert all(steps[at] <= PATIENCE * min(steps[:at]) for at in range(1, 4))
        assert {fill.forwards > sum(steps) for fill in fills} == {True}, "every pass of the request counts"


def test_without_a_suffix_other_noise_gives_other_drafts(model: DiffusionGemma, tokenizer: GemmaTokenizer) -> None:
    """This model never ends a hole by itself: of what the canvas' edge breaks off, the best alone is given."""
    frames: list[Frame] = []
    filler, gap = DiffusionGemmaInfiller(model, tokenizer, CONFIG), Gap("def f():\n    ret", "\n")
    assert len(filler.infill(gap, num_candidates=4, on_frame=frames.append)) == 1
    ends = [at for at, frame in enumerate(frames[1:]) if frame.step == 1] + [len(frames) - 1]
    assert len(ends) == 4
    assert len({frames[at].cells for at in ends}) > 1


def test_a_checkpoint_directory_is_all_it_needs(tmp_path: Path) -> None:
    size = tiny_gemma_tokenizer.size(tiny_gemma_tokenizer.write(tmp_path))
    tiny.reference(1, WINDOW, 0.3, vocab_size=size).save_pretrained(tmp_path)
    published = {
        "max_denoising_steps": 2,
        "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1},
    }
    (tmp_path / "generation_config.json").write_text(json.dumps(published))
    fills = load(tmp_path, tiny.RUNTIME).infill(Gap("def f(", "):\n", max_tokens=3))
    assert all(fill.steps <= 2 for fill in fills)


def test_a_cut_word_is_spelled_on(infiller: DiffusionGemmaInfiller) -> None:
    for fill in infiller.infill(Gap("    ret", "\n", max_tokens=3)):
        assert ("ret" + fill.text).startswith(("ret", "retu", "retur", "return"))
        assert "".join(text for text, _ in fill.pieces) == fill.text


def test_stop(infiller: DiffusionGemmaInfiller) -> None:
    stop = Event()
    gap = Gap("def f():\n", "\n", max_tokens=5)
    with pytest.raises(Stopped):
        infiller.infill(gap, stop=stop, on_frame=lambda frame: stop.set())
    assert infiller.infill(gap)


def test_max_lines(infiller: DiffusionGemmaInfiller, tokenizer: GemmaTokenizer) -> None:
    questioner = Questioner(tokenizer, tiny.CANVAS)
    question = questioner.ask(Gap("a", "b"))
    assert questioner.answer(question, b"ab\nc\nd", max_lines=1) == "b"
    assert questioner.answer(question, b"ab\nc\nd", max_lines=0) == "b\nc\nd"


def test_without_a_suffix_the_fence_ends_the_answer(tokenizer: GemmaTokenizer) -> None:
    questioner = Questioner(tokenizer, tiny.CANVAS)
    question = questioner.ask(Gap("a", " \n"))
    assert question.suffix == []
    assert questioner.answer(question, b"ab\n```\nDone.", max_lines=0) == "b"


@pytest.mark.parametrize(("max_tokens", "positions"), [(15, 96), (60, 128), (250, 256)])
def test_what_the_canvas_does_not_show_of_the_suffix_is_read_before(
    tokenizer: GemmaTokenizer, max_tokens: int, positions: int
) -> None:
    questioner = Questioner(tokenizer, 256)
    suffix = "".join(f"value_{number} = {number}\n" for number in range(200))
    question = questioner.ask(Gap("a", suffix, max_tokens=max_tokens))
    assert question.canvas == positions
    longest = questioner.layout(question, lengths(question.max_tokens, question.canvas)[-1])
    assert longest.hole + len(longest.pinned) == positions
    shown = tokenizer.decode(longest.pinned).decode()
    assert suffix.startswith(shown)
    assert suffix[len(shown) :][:200] in tokenizer.decode(question.prompt).decode(), "nothing between is missing"


def test_a_long_prefix_keeps_its_beginning_while_it_grows(tokenizer: GemmaTokenizer) -> None:
    questioner = Questioner(tokenizer, tiny.CANVAS)
    text = "value = 1\n" * (PREFIX_CHARACTERS // 10 + 50)
    before = questioner.ask(Gap(text, "")).prompt
    after = questioner.ask(Gap(text + "value = 2", "")).prompt
    assert after[: len(before)] == before
    assert len(before) < PREFIX_CHARACTERS + 500


def test_rewrites(model: DiffusionGemma, tokenizer: GemmaTokenizer) -> None:
    rewriter = DiffusionGemmaRewriter(model, tokenizer, CONFIG)
    request = RewriteRequest("Rename x", "x = 1\n" * 5, language="python")
    states = list(rewriter.rewrite(request))
    assert len(states) > 1
    assert "\n```" not in states[-1]
    assert list(rewriter.rewrite(request)) == states


def check_same_as_fresh(model: DiffusionGemma, prompt: Prompt) -> None:
    canvas, fresh = tiny.prompt(9, 1, tiny.CANVAS), model.cache()
    model.encode(torch.tensor([prompt.ids]), fresh)
    assert prompt.cache.length == len(prompt.ids) == fresh.length
    expected = model.logits(model.denoise(canvas, fresh))
    assert (model.logits(model.denoise(canvas, prompt.cache)) - expected).abs().max() < 1e-4
