"""What stands where on a canvas, which hole lengths are tried, and which win."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacuna.engine.families.diffusion_gemma.infill_layout import (
    SEEN_SUFFIX,
    best_lengths,
    canvas_length,
    lay_out,
    lengths,
    near,
    rank,
)

PAD = 0
ENDING = [90, 91]


def test_a_long_suffix_fills_the_canvas() -> None:
    layout = lay_out(3, range(10, 30), ENDING, PAD, 8)
    assert list(layout.free) == [0, 1, 2]
    assert layout.pinned == (10, 11, 12, 13, 14)


def test_a_suffix_that_ends_inside_is_closed_and_padded() -> None:
    assert lay_out(2, [10, 11], ENDING, PAD, 8).pinned == (10, 11, 90, 91, 0, 0)


def test_without_a_suffix_all_is_free() -> None:
    layout = lay_out(3, [], ENDING, PAD, 8)
    assert (layout.hole, layout.pinned) == (8, ())


@given(st.integers(2, 300), st.integers(1, 400), st.lists(st.integers(1, 99), min_size=1, max_size=400))
def test_every_length_gives_a_whole_canvas(canvas: int, max_tokens: int, suffix: list[int]) -> None:
    tried = lengths(max_tokens, canvas)
    assert list(tried) == sorted(set(tried))
    assert tried[-1] <= max_tokens
    for hole in tried:
        layout = lay_out(hole, suffix, ENDING, PAD, canvas)
        assert layout.hole + len(layout.pinned) == canvas
        assert list(layout.pinned[: len(suffix)]) == suffix[: len(layout.pinned)]


@pytest.mark.parametrize(
    ("longest", "given", "positions"),
    [(16, 0, 16), (13, 3, 16), (13, 4, 32), (32, 500, 96), (61, 500, 128), (190, 500, 256), (500, 500, 256)],
)
def test_a_short_fill_does_not_pay_for_a_whole_canvas(longest: int, given: int, positions: int) -> None:
    assert canvas_length(longest, given, 256) == positions
    assert canvas_length(longest, given, 10) == 10, "no canvas is longer than the model's own"
    assert lengths(longest, positions)[-1] >= min(longest, positions - SEEN_SUFFIX), "the longest hole is tried"


def test_the_longest_allowed_is_tried() -> None:
    assert lengths(15, 256) == (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15)
    assert lengths(1, 256) == (1,)
    assert lengths(1000, 256)[-1] == 240


def test_the_best_lengths_are_those_of_the_highest_scores() -> None:
    assert best_lengths({2: -9.0, 4: -2.5, 8: -3.0}, 2) == (4, 8)
    assert best_lengths({8: -1.0, 4: -1.0}, 1) == (4,), "of equals the shorter comes first"
    assert best_lengths({8: -1.0}, 3) == (8,)


def test_lengths_near_the_best() -> None:
    ladder = (1, 2, 3, 4, 6, 8, 12, 16)
    assert near(2, ladder) == ()
    assert near(4, ladder) == (5,)
    assert near(8, ladder) == (7, 10)
    assert near(10, (*ladder, 10)) == (9, 11)
    assert near(16, ladder) == (14,)
    assert near(1, (1,)) == ()


@given(st.sets(st.integers(1, 200), min_size=1), st.data())
def test_halving_comes_to_every_length_in_between(tried: set[int], data: st.DataObject) -> None:
    wanted = data.draw(st.integers(min(tried), max(tried)))
    while wanted not in tried:
        # The best is always a nearest one: whatever stands between its neighbours is found in the end.
        nearest = min(tried, key=lambda length: abs(length - wanted))
        new = near(nearest, tried)
        assert new, f"{wanted} is not among {tried}, and nothing is left to try"
        assert not tried & set(new)
        tried |= set(new)


def test_the_judge_ranks() -> None:
    assert [entry.fill for entry in rank(["a", "b", "c"], [-3.0, -1.0, -3.0])] == ["b", "a", "c"]
