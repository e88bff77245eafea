"""A lane decides tokens from the left, spells the stub first and ends where it may."""

from __future__ import annotations

import pytest
import torch
from embedded import tokenizer
from lacuna.engine.families.gap.decoding.hypothesis import Lane
from lacuna.engine.text.token_healing import Seam

END = 0


def lane_of(seam: Seam, max_lines: int = 0) -> Lane:
    return Lane(16, seam, tokenizer(), max_lines, END)


def write(lane: Lane, text: str) -> None:
    for token in tokenizer().encode(text):
        lane.accept(lane.canvas.leftmost(), token, -0.1, -0.2)


def possible(lane: Lane) -> set[bytes]:
    scores = lane.constrain(lane.tokens, torch.zeros(49152))
    return {tokenizer().decode([token]) or b"END" for token in (scores > -torch.inf).nonzero().flatten().tolist()}


def test_the_first_token_begins_the_stub_or_goes_beyond_it() -> None:
    words = possible(lane_of(Seam("", "", b" retu", False)))
    assert {b" ", b" r", b" ret", b" return"} <= words
    assert b"END" not in words
    assert all(b" retu".startswith(word) or word.startswith(b" retu") for word in words)


def test_after_part_of_the_stub_the_rest_is_spelled() -> None:
    lane = lane_of(Seam("", "", b" retu", False))
    lane.accept(0, tokenizer().encode(" ret")[0], 0.0, 0.0)
    assert {b"u", b"urn"} <= possible(lane)
    assert b"(" not in possible(lane)


def test_the_hole_may_end_when_the_stub_is_spelled() -> None:
    lane = lane_of(Seam("", "", b" x", False))
    write(lane, " x")
    assert b"END" in possible(lane)
    assert len(possible(lane)) > 40_000


def test_a_moved_newline_is_spelled_unless_the_hole_is_empty() -> None:
    lane = lane_of(Seam("", "", b":", True))
    write(lane, ":")
    words = possible(lane)
    assert b"END" in words
    assert all(word == b"END" or word.startswith(b"\n") for word in words)


def test_lines_end_the_fill_and_cut_it() -> None:
    lane = lane_of(Seam("", "", b"\n", False), max_lines=1)
    write(lane, "\na = 1\n")
    assert lane.ended
    assert lane.spelled == b"\na = 1"


def test_a_lane_knows_its_score() -> None:
    lane = lane_of(Seam("", "", b"", False))
    write(lane, "a = b")
    lane.accept(3, END, 0.0, -1.0)
    assert lane.score == pytest.approx(-1.6)
    assert lane.log_probabilities == [-0.1, -0.1, -0.1, 0.0]


def test_frames_show_what_is_fresh() -> None:
    lane = lane_of(Seam("", "", b"", False))
    lane.accept(0, tokenizer().encode("x")[0], 0.0, 0.0)
    assert lane.frame(1).cells[:2] == (("x", True), (None, False))
    assert lane.frame(2).cells[:2] == (("x", False), (None, False))


def test_frames_leave_out_what_stands_in_the_file() -> None:
    lane = lane_of(Seam("", "", b" re", False))
    write(lane, " return x")
    assert lane.frame(1).cells[:2] == (("turn", True), (" x", True))


def test_frames_end_with_the_last_line() -> None:
    lane = lane_of(Seam("", "", b"", False), max_lines=1)
    write(lane, "x\n")
    assert [text for text, _ in lane.frame(1).cells[:3]] == ["x", "", None]
