"""A patch's hypothesis: pins from the start, holes from the left, healing prefixes spelled within their holes."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from embedded import tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from lacuna.engine.families.gap.edits.patch_hypothesis import PatchHypothesis
from lacuna.engine.families.shared.patch_layout import Segments
from lacuna.engine.text.token_healing import Spelling

END, VOCABULARY = 0, 49152


@cache
def spelling() -> Spelling:
    return Spelling(tokenizer())


def hypothesis_of(lengths: tuple[int, ...], healing_prefixes: tuple[bytes, ...], *pinned: str) -> PatchHypothesis:
    tokens = tuple(tuple(tokenizer().encode(text)) for text in pinned)
    least = tuple(map(spelling().least, healing_prefixes))
    return PatchHypothesis(
        Segments(healing_prefixes, tokens, least, least).lay_out(lengths), 16, tokenizer(), spelling(), END
    )


def test_pins_and_the_end_are_known_from_the_start_and_never_change() -> None:
    hypothesis = hypothesis_of((1, 1), (b"", b""), " + 1 *")
    known = {at: hypothesis.canvas.token(at) for at in range(16) if hypothesis.canvas.token(at) is not None}
    assert [at for at in range(16) if at not in known] == [0, hypothesis.layout.length - 1]
    assert all(known[at] == END for at in range(hypothesis.layout.length, 16))
    for at in known:
        with pytest.raises(AssertionError, match="decided already"):
            hypothesis.canvas.accept(at, 5)
    assert {at: hypothesis.canvas.token(at) for at in known} == known


def test_a_layout_must_leave_room_for_the_end() -> None:
    with pytest.raises(AssertionError, match="where the last hole ends"):
        hypothesis_of((16,), (b"",))


def test_texts_are_what_the_holes_spell_without_stubs() -> None:
    hypothesis = hypothesis_of((1, 2), (b" ", b" "), " +")
    (first,), second = tokenizer().encode(" total"), tokenizer().encode(" offset_")
    for at, token in zip((0, 2, 3), (first, *second), strict=True):
        hypothesis.accept(at, token)
    assert hypothesis.finished
    assert hypothesis.texts == ("total", "offset_")


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.text(" \n\tabé=(😀", max_size=9), st.text(" \n\tabé=(😀", max_size=9)),
    st.integers(0, 3),
    st.integers(0, 2**31),
)
def test_whatever_is_likely_stubs_are_spelled(healing_prefixes: tuple[str, str], spare: int, seed: int) -> None:
    """Random scores in place of a model: every hypothesis ends, with its healing prefixes spelled and its pins in
    place."""
    spelled = tuple(healing_prefix.encode() for healing_prefix in healing_prefixes)
    lengths = tuple(spelling().least(healing_prefix) + spare for healing_prefix in spelled)
    if sum(lengths) > 12:
        return
    hypothesis = hypothesis_of(lengths, spelled, " = 1")
    generator = torch.Generator().manual_seed(seed)
    while not hypothesis.finished:
        rows = torch.randn(16 - hypothesis.canvas.leftmost(), VOCABULARY, generator=generator)
        draft = hypothesis.draft(rows)
        assert END not in draft
        hypothesis.accept(hypothesis.canvas.leftmost(), draft[hypothesis.canvas.leftmost()])
    tokens = [hypothesis.canvas.token(at) or END for at in range(hypothesis.layout.length)]
    for hole in hypothesis.layout.holes:
        text = tokenizer().decode(tokens[hole.positions.start : hole.positions.stop])
        assert text.startswith(hole.healing_prefix)
    assert all(tokens[at] == token for at, token in hypothesis.layout.pins.items())


def test_frames_show_pins_and_leave_out_what_stands_in_the_file() -> None:
    hypothesis = hypothesis_of((1, 1), (b" re", b""), " x")
    assert hypothesis.frame(1).cells == ((None, False), (" x", False), (None, False))
    hypothesis.accept(0, tokenizer().encode(" return")[0])
    assert hypothesis.frame(2).cells[0] == ("turn", True)
    assert hypothesis.frame(3).cells[0] == ("turn", False)


def test_the_fewest_tokens_that_spell() -> None:
    assert spelling().least(b"") == 0
    assert spelling().least(b" retur") == 1
    assert spelling().least(b"\n        ") <= 2
    assert spelling().least("😀".encode()) <= 4
