"""The canvas: noise and accepted tokens."""

from __future__ import annotations

import pytest

from lacuna.engine.families.gap.decoding.canvas import Canvas


def test_a_new_canvas_is_noise() -> None:
    canvas = Canvas(4)
    assert [canvas.token(at) for at in range(4)] == [None] * 4
    assert (canvas.leftmost(), canvas.decided()) == (0, [])


def test_decided_ends_at_the_first_noise() -> None:
    canvas = Canvas(4)
    for at in (0, 1, 3):
        canvas.accept(at, at + 10)
    assert (canvas.leftmost(), canvas.decided()) == (2, [10, 11])


def test_an_accepted_token_never_changes() -> None:
    canvas = Canvas(1)
    canvas.accept(0, 5)
    with pytest.raises(AssertionError, match="decided already"):
        canvas.accept(0, 6)
    assert canvas.token(0) == 5
