"""Fills in the FIM layout, on a tiny model: what the decoder says token by token, cached or not, drafted or not."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from tiny_model import write_tiny_fim_model, write_tiny_model
from torch.nn import functional

from lacuna.engine.api import Gap
from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import end_at_markers
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.engine.families.gap.session import Session
from lacuna.engine.layers import int8_linear
from lacuna.engine.layers.int8_linear import Int8Linear
from lacuna.engine.layers.linear import Linear
from lacuna.engine.request_trace import RequestTrace
from lacuna.engine.untrusted.load_error import LoadError

TRACE = RequestTrace(lambda: None)
RUNTIME = runtime.choose(device="cpu", dtype="float32", threads=1)
GAPS = [
    Gap("def area(width, height):\n    return ", "\n\nprint(area(2, 3))\n", "python", max_tokens=12),
    Gap("", "x = 1\n", max_tokens=8),
    Gap("a = [1, 2", "]\n", max_tokens=8, max_lines=1),
    Gap("if x:\n    ", "", max_tokens=12),
]


@cache
def filled(adapter: bool = True) -> GapFiller:
    with TemporaryDirectory() as directory:
        return loading.load(str(write_tiny_fim_model(Path(directory), adapter=adapter)), RUNTIME)


def session(adapter: bool = True) -> Session:
    return Session(filled(adapter).denoiser, filled(adapter).tokenizer)


INT8 = pytest.mark.skipif(not int8_linear.is_fast(), reason="this CPU has no fast products with 8 bits")


@INT8
@torch.inference_mode()
def test_in_8_bits_it_says_nearly_the_same(tmp_path: Path) -> None:
    said = {}
    model = str(write_tiny_fim_model(tmp_path))
    for dtype in ("float32", "int8"):
        found = loading.load(model, runtime.choose("cpu", dtype, 1))
        context = found.denoiser.context()
        context.prefill_prefix(found.tokenizer.encode(GAPS[0].prefix), lambda: None)
        said[dtype] = context.next_log_probabilities
        kinds = {type(layer.down_proj) for layer in found.denoiser.base.layers}
        assert kinds == {Int8Linear if dtype == "int8" else Linear}
    divergence = functional.kl_div(said["int8"], said["float32"], log_target=True, reduction="sum")
    assert 0.0 < divergence < 0.01, divergence


@INT8
@pytest.mark.parametrize("gap", GAPS)
def test_in_8_bits_drafts_change_nothing(gap: Gap, tmp_path: Path) -> None:
    """What a row becomes depends on no other row of its pass, so a draft is verified as it would be alone."""
    found = loading.load(str(write_tiny_fim_model(tmp_path)), runtime.choose("cpu", "int8", 1))
    fills = [
        Session(found.denoiser, found.tokenizer).infill(gap, 1, lambda: None, parallel=parallel)[0]
        for parallel in (True, False)
    ]
    assert fills[0].text == fills[1].text
    assert fills[0].forwards <= fills[1].forwards


@INT8
def test_a_model_of_two_reads_is_not_in_8_bits(tmp_path: Path) -> None:
    found = loading.load(str(write_tiny_model(tmp_path)), runtime.choose("cpu", "int8", 1))
    assert {type(layer.down_proj) for layer in found.denoiser.adapted.layers} == {Linear}
    assert found.denoiser.base.dtype == torch.float32


@pytest.mark.parametrize("gap", [gap for gap in GAPS if not gap.suffix.partition("\n")[0]])  # others are cut afterwards
@pytest.mark.parametrize("adapter", [True, False])
@torch.inference_mode()
def test_a_fill_is_what_the_decoder_says_token_by_token(gap: Gap, adapter: bool) -> None:
    """Read anew for every token, without a cache, drafts or masked positions."""
    used = filled(adapter).denoiser
    hole = session(adapter).prefill(gap, lambda: None)
    gap = replace(gap, max_lines=0)  # of a line the best is searched for, and not the greedy one
    hole = replace(hole, gap=gap)
    hypothesis = session(adapter)._hypothesis(gap, hole.boundary, 48)
    markers = used.config.markers
    assert markers is not None
    while not hypothesis.finished and len(hypothesis.tokens) < gap.max_tokens:
        context = used.context()
        context.prefill_prefix([*hole.prompt.read, *hypothesis.tokens], lambda: None)
        row = context.next_log_probabilities[0].clone()
        row[markers.ends[0]] = row[list(markers.ends)].logsumexp(0)
        row[[marker for marker in markers.all if marker != markers.ends[0]]] = -torch.inf
        token = int(hypothesis.constrain(hypothesis.tokens, row).argmax())
        hypothesis.accept(len(hypothesis.tokens), token, 0.0, 0.0)
    greedy = session(adapter)._fill(hole, session(adapter)._hypothesis(gap, hole.boundary, 48), 1, True, TRACE)
    assert greedy[0].hypothesis.tokens[: len(hypothesis.tokens)] == hypothesis.tokens


@pytest.mark.parametrize("gap", GAPS)
def test_drafts_and_caches_change_no_fill(gap: Gap) -> None:
    fresh = session().infill(gap, 3, lambda: None)
    used = session()
    for other in GAPS:
        used.infill(other, 1, lambda: None)
    one_by_one = session().infill(gap, 3, lambda: None, parallel=False)
    for found in (used.infill(gap, 3, lambda: None), one_by_one):
        assert [fill.text for fill in found] == [fill.text for fill in fresh]
        for fill, expected in zip(found, fresh, strict=True):
            assert fill.features.score == pytest.approx(expected.features.score, abs=1e-3)


@pytest.mark.parametrize("adapter", [True, False])
def test_where_the_line_goes_on_a_fill_is_cut_only_where_it_would_end(adapter: bool) -> None:
    """Its score is that of its tokens and the end behind them, whatever the line goes on with."""
    gap = Gap("value = first(second", ")\n", max_tokens=10, max_lines=1)
    used = session(adapter)
    hole = used.prefill(gap, lambda: None)
    fills = used._fill(hole, used._hypothesis(gap, hole.boundary, 48), 3, True, RequestTrace(lambda: None))
    denoiser, tokenizer = filled(adapter).denoiser, filled(adapter).tokenizer
    end = denoiser.config.end_of_hole_token_id
    for fill in (
        part.hypothesis for part in fills if part.hypothesis.ended and not part.hypothesis.spelled.count(b"\n")
    ):
        ids = [*fill.tokens, end]
        (rows,) = denoiser.score(hole.context, DraftTree([ids[:-1]]))
        expected = sum(float(row[token]) for row, token in zip(rows, ids, strict=True))
        assert fill.score == pytest.approx(expected, abs=1e-3), tokenizer.decode(fill.tokens)


def test_markers_in_a_text_are_text() -> None:
    marked = Gap("s = '<|fim_suffix|>' + ", "\nt = '<|fim_middle|>'\n", max_tokens=6)
    prompt = session().prefill(marked, lambda: None).prompt
    markers = filled().denoiser.config.markers
    assert markers is not None and [token for token in prompt.read if token in markers.all] == [
        markers.prefix,
        markers.suffix,
        *markers.middle,
    ]


def test_no_fill_holds_a_marker_and_all_that_end_a_middle_end_it() -> None:
    markers, denoiser = filled().denoiser.config.markers, filled().denoiser
    assert markers is not None
    rows = torch.randn(3, denoiser.base.config.vocab_size).log_softmax(-1)
    ended = rows.exp()[:, list(markers.ends)].sum(-1)
    end_at_markers(rows, markers)
    torch.testing.assert_close(rows.exp()[:, markers.ends[0]], ended)
    assert all(rows[:, token].isneginf().all() for token in markers.all if token != markers.ends[0])


def test_an_adapter_of_the_other_layout_is_named(tmp_path: Path) -> None:
    directory = write_tiny_fim_model(tmp_path)
    words = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
    words["gap"]["layout"] = "sideways"
    (directory / "adapter_config.json").write_text(json.dumps(words), encoding="utf-8")
    with pytest.raises(LoadError, match="sideways"):
        loading.load(str(directory), RUNTIME)


def test_a_base_without_markers_is_named(tmp_path: Path) -> None:
    directory = write_tiny_fim_model(tmp_path / "fim", adapter=False)
    plain = write_tiny_model(tmp_path / "plain")
    tokenizer = (plain / "tokenizer.json").read_text(encoding="utf-8")
    (directory / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    with pytest.raises(LoadError, match="markers"):
        loading.load(str(directory), RUNTIME)


def test_an_adapter_of_another_base_is_named_with_both(tmp_path: Path) -> None:
    directory = write_tiny_fim_model(tmp_path)
    words = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
    words |= {"r": 2 * words["r"], "base_model_name_or_path": "another-base"}
    (directory / "adapter_config.json").write_text(json.dumps(words), encoding="utf-8")
    with pytest.raises(LoadError, match="another-base") as refusal:
        loading.load(str(directory), RUNTIME)
    assert str(directory) in str(refusal.value)
