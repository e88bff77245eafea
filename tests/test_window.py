"""The prefix window stands still while text is typed, and jumps when it is full."""

from __future__ import annotations

from embedded import tokenizer

from engine.window import JUMP, WINDOW, Window

LINES = [f"value_{number} = compute(value_{number - 1}, {number})\n" for number in range(400)]


def size(text: str) -> int:
    return len(tokenizer().encode(text))


def test_a_short_prefix_is_read_whole() -> None:
    assert Window(tokenizer()).cut("a\nb", ()) == "a\nb"


def test_a_new_window_begins_at_a_line_and_leaves_room() -> None:
    text = "".join(LINES)
    cut = Window(tokenizer()).cut(text, ())
    assert text.endswith("\n" + cut)
    assert WINDOW - 2 * JUMP < size(cut) <= WINDOW - JUMP


def test_typing_moves_the_window_in_jumps() -> None:
    window, starts = Window(tokenizer()), []
    for count in range(100, 140):
        text = "".join(LINES[:count])
        cut = window.cut(text, ())
        assert size(cut) <= WINDOW
        starts.append(text.rindex(cut))
    assert 3 <= len(set(starts)) <= 8  # 40 lines of some 15 tokens


def test_edits_above_the_window_do_not_move_it() -> None:
    window, text = Window(tokenizer()), "".join(LINES[:200])
    assert window.cut(text, ()) == window.cut("import os\n" + text[500:], ())


def test_one_long_line_is_cut_inside() -> None:
    assert size(Window(tokenizer()).cut("x = 1; " * 2000, ())) <= WINDOW - JUMP + 1


def test_snippets_stand_at_the_head_and_stay_with_their_window() -> None:
    window = Window(tokenizer())
    cut = window.cut("a = 1\n", ("def useful(): ...\n",))
    assert cut == "def useful(): ...\n\na = 1\n"
    assert window.cut("a = 1\nb", ("another = 1\n",)) == "def useful(): ...\n\na = 1\nb"


def test_snippets_that_do_not_fit_are_left_out() -> None:
    assert Window(tokenizer()).cut("a", ("word " * 500, "short")) == "short\n\na"
