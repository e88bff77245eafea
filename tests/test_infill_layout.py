"""What stands where on a canvas, which hole lengths are tried, and which win."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.infill_layout import best_lengths, lay_out, lengths, rank

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


def test_the_longest_allowed_is_tried() -> None:
    assert lengths(15, 256) == (1, 2, 3, 4, 6, 8, 12, 15)
    assert lengths(1, 256) == (1,)
    assert lengths(1000, 256)[-1] == 240


def test_lengths_are_compared_with_their_own_baseline() -> None:
    entropy, baseline = {2: 1.0, 4: 2.0, 8: 2.5}, {2: 1.1, 4: 4.0, 8: 2.5}
    assert best_lengths(entropy, baseline, 2) == (4, 2)
    assert best_lengths({8: 1.0, 4: 1.0}, {8: 2.0, 4: 2.0}, 1) == (4,)


def test_where_a_model_is_sure_the_baseline_alone_does_not_decide() -> None:
    assert best_lengths({2: 0.2, 4: 0.02}, {2: 3.2, 4: 2.7}, 1) == (4,)
    assert best_lengths({2: 0.2, 4: 0.0}, {2: 3.2, 4: 0.0}, 1) == (4,), "an empty context may leave nothing open"


def test_the_judge_ranks() -> None:
    assert [entry.draft for entry in rank(["a", "b", "c"], [-3.0, -1.0, -3.0])] == ["b", "a", "c"]
