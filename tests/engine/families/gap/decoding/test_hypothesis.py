"""A hypothesis decides tokens from the left, spells the healing prefix first and ends where it may."""

from __future__ import annotations

import pytest
import torch
from embedded import tokenizer

from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.text.token_healing import Boundary

END = 0


def hypothesis_of(boundary: Boundary, max_lines: int = 0) -> Hypothesis:
    return Hypothesis(16, boundary, tokenizer(), max_lines, END)


def write(hypothesis: Hypothesis, text: str) -> None:
    for token in tokenizer().encode(text):
        hypothesis.accept(hypothesis.canvas.leftmost(), token, -0.1, -0.2)


def possible(hypothesis: Hypothesis) -> set[bytes]:
    scores = hypothesis.constrain(hypothesis.tokens, torch.zeros(49152))
    return {tokenizer().decode([token]) or b"END" for token in (scores > -torch.inf).nonzero().flatten().tolist()}


def test_the_first_token_begins_the_stub_or_goes_beyond_it() -> None:
    words = possible(hypothesis_of(Boundary("", "", b" retu", False)))
    assert {b" ", b" r", b" ret", b" return"} <= words
    assert b"END" not in words
    assert all(b" retu".startswith(word) or word.startswith(b" retu") for word in words)


def test_after_part_of_the_stub_the_rest_is_spelled() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b" retu", False))
    hypothesis.accept(0, tokenizer().encode(" ret")[0], 0.0, 0.0)
    assert {b"u", b"urn"} <= possible(hypothesis)
    assert b"(" not in possible(hypothesis)


def test_the_hole_may_end_when_the_stub_is_spelled() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b" x", False))
    write(hypothesis, " x")
    assert b"END" in possible(hypothesis)
    assert len(possible(hypothesis)) > 40_000


def test_a_moved_newline_is_spelled_unless_the_hole_is_empty() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b":", True))
    write(hypothesis, ":")
    words = possible(hypothesis)
    assert b"END" in words
    assert all(word == b"END" or word.startswith(b"\n") for word in words)


def test_lines_end_the_fill_and_cut_it() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b"\n", False), max_lines=1)
    write(hypothesis, "\na = 1\n")
    assert hypothesis.ended
    assert hypothesis.spelled == b"\na = 1"


def test_a_lane_knows_its_score() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b"", False))
    write(hypothesis, "a = b")
    hypothesis.accept(3, END, 0.0, -1.0)
    assert hypothesis.score == pytest.approx(-1.6)
    assert hypothesis.log_probabilities == [-0.1, -0.1, -0.1, 0.0]


def test_frames_show_what_is_fresh() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b"", False))
    hypothesis.accept(0, tokenizer().encode("x")[0], 0.0, 0.0)
    assert hypothesis.frame(1).cells[:2] == (("x", True), (None, False))
    assert hypothesis.frame(2).cells[:2] == (("x", False), (None, False))


def test_frames_leave_out_what_stands_in_the_file() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b" re", False))
    write(hypothesis, " return x")
    assert hypothesis.frame(1).cells[:2] == (("turn", True), (" x", True))


def test_frames_end_with_the_last_line() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b"", False), max_lines=1)
    write(hypothesis, "x\n")
    assert [text for text, _ in hypothesis.frame(1).cells[:3]] == ["x", "", None]
