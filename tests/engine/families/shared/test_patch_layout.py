"""Where holes and pins stand on a canvas, and which lengths are tried."""

from __future__ import annotations

from lacuna.engine.families.shared.patch_layout import CANVASES, Segments, lengths

TWO = Segments((b" ", b""), ((7, 8),), now=(2, 1), least=(1, 0))


def test_holes_and_pins_alternate() -> None:
    layout = TWO.lay_out((2, 1))
    assert [(hole.positions, hole.healing_prefix) for hole in layout.holes] == [(range(0, 2), b" "), (range(4, 5), b"")]
    assert layout.pins == {2: 7, 3: 8}
    assert layout.length == 5


def test_a_hole_of_no_tokens_has_no_positions() -> None:
    assert TWO.lay_out((2, 0)).holes[1].positions == range(4, 4)


def test_present_lengths_first_then_what_is_nearest() -> None:
    assert lengths(["ab", "c"], TWO, length_slack=1, room=15) == [
        (2, 1),
        (3, 2),
        (3, 1),
        (2, 2),
        (1, 0),
        (1, 1),
        (2, 0),
    ]


def test_holes_of_one_text_change_together() -> None:
    same = Segments((b"", b""), ((7,),), now=(2, 2), least=(0, 0))
    assert lengths(["ab", "ab"], same, length_slack=2, room=15) == [(2, 2), (3, 3), (1, 1), (4, 4)]


def test_no_hole_is_shorter_than_its_stub_and_no_canvas_too_long() -> None:
    for tried in lengths(["ab", "c"], TWO, length_slack=3, room=6):
        assert tried[0] >= 1
        assert sum(tried) + 2 <= 6
    assert lengths(["ab", "c"], TWO, length_slack=3, room=3) == [(1, 0)]
    assert lengths(["ab", "c"], TWO, length_slack=3, room=2) == []


def test_an_empty_place_is_filled() -> None:
    empty = Segments((b"",), (), now=(0,), least=(0,))
    assert lengths([""], empty, length_slack=3, room=15) == [(1,), (2,), (3,)]


def test_the_number_of_canvases_is_bounded() -> None:
    texts = [str(number) for number in range(6)]
    many = Segments((b"",) * 6, ((),) * 5, now=(2,) * 6, least=(0,) * 6)
    assert len(lengths(texts, many, length_slack=6, room=63)) == CANVASES
