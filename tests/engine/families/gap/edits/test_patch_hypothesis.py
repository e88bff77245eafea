"""A patch's lane: pins from the start, holes from the left, stubs spelled within their holes."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from embedded import tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from lacuna.engine.families.gap.edits.patch_hypothesis import PatchLane
from lacuna.engine.families.shared.patch_layout import Segments
from lacuna.engine.text.spelling import Spelling

END, VOCABULARY = 0, 49152


@cache
def spelling() -> Spelling:
    return Spelling(tokenizer())


def lane_of(lengths: tuple[int, ...], stubs: tuple[bytes, ...], *pinned: str) -> PatchLane:
    tokens = tuple(tuple(tokenizer().encode(text)) for text in pinned)
    least = tuple(map(spelling().least, stubs))
    return PatchLane(Segments(stubs, tokens, least, least).lay_out(lengths), 16, tokenizer(), spelling(), END)


def test_pins_and_the_end_are_known_from_the_start_and_never_change() -> None:
    lane = lane_of((1, 1), (b"", b""), " + 1 *")
    known = {at: lane.canvas.token(at) for at in range(16) if lane.canvas.token(at) is not None}
    assert [at for at in range(16) if at not in known] == [0, lane.layout.length - 1]
    assert all(known[at] == END for at in range(lane.layout.length, 16))
    for at in known:
        with pytest.raises(AssertionError, match="decided already"):
            lane.canvas.accept(at, 5)
    assert {at: lane.canvas.token(at) for at in known} == known


def test_a_layout_must_leave_room_for_the_end() -> None:
    with pytest.raises(AssertionError, match="where the last hole ends"):
        lane_of((16,), (b"",))


def test_texts_are_what_the_holes_spell_without_stubs() -> None:
    lane = lane_of((1, 2), (b" ", b" "), " +")
    (first,), second = tokenizer().encode(" total"), tokenizer().encode(" offset_")
    for at, token in zip((0, 2, 3), (first, *second), strict=True):
        lane.accept(at, token)
    assert lane.finished
    assert lane.texts == ("total", "offset_")


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.text(" \n\tabé=(😀", max_size=9), st.text(" \n\tabé=(😀", max_size=9)),
    st.integers(0, 3),
    st.integers(0, 2**31),
)
def test_whatever_is_likely_stubs_are_spelled(stubs: tuple[str, str], spare: int, seed: int) -> None:
    """Random scores in place of a model: every lane ends, with its stubs spelled and its pins in place."""
    spelled = tuple(stub.encode() for stub in stubs)
    lengths = tuple(spelling().least(stub) + spare for stub in spelled)
    if sum(lengths) > 12:
        return
    lane = lane_of(lengths, spelled, " = 1")
    generator = torch.Generator().manual_seed(seed)
    while not lane.finished:
        rows = torch.randn(16 - lane.canvas.leftmost(), VOCABULARY, generator=generator)
        draft = lane.draft(rows)
        assert END not in draft
        lane.accept(lane.canvas.leftmost(), draft[lane.canvas.leftmost()])
    tokens = [lane.canvas.token(at) or END for at in range(lane.layout.length)]
    for hole in lane.layout.holes:
        text = tokenizer().decode(tokens[hole.positions.start : hole.positions.stop])
        assert text.startswith(hole.stub)
    assert all(tokens[at] == token for at, token in lane.layout.pins.items())


def test_frames_show_pins_and_leave_out_what_stands_in_the_file() -> None:
    lane = lane_of((1, 1), (b" re", b""), " x")
    assert lane.frame(1).cells == ((None, False), (" x", False), (None, False))
    lane.accept(0, tokenizer().encode(" return")[0])
    assert lane.frame(2).cells[0] == ("turn", True)
    assert lane.frame(3).cells[0] == ("turn", False)


def test_the_fewest_tokens_that_spell() -> None:
    assert spelling().least(b"") == 0
    assert spelling().least(b" retur") == 1
    assert spelling().least(b"\n        ") <= 2
    assert spelling().least("😀".encode()) <= 4
