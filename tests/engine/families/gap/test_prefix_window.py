"""The prefix window stands still while text is typed, and jumps when it is full."""

from __future__ import annotations

import pytest
from embedded import tokenizer

from lacuna.engine.api import Snippet
from lacuna.engine.families.gap.prefix_window import JUMP, WINDOW, PrefixWindow

LINES = [f"value_{number} = compute(value_{number - 1}, {number})\n" for number in range(400)]


def size(text: str) -> int:
    return len(tokenizer().encode(text))


def test_a_short_prefix_is_read_whole() -> None:
    assert PrefixWindow(tokenizer()).cut("a\nb", ()) == "a\nb"


def test_a_new_window_begins_at_a_line_and_leaves_room() -> None:
    text = "".join(LINES)
    cut = PrefixWindow(tokenizer()).cut(text, ())
    assert text.endswith("\n" + cut)
    assert WINDOW - 2 * JUMP < size(cut) <= WINDOW - JUMP


def test_typing_moves_the_window_in_jumps() -> None:
    window, starts = PrefixWindow(tokenizer()), []
    for count in range(100, 140):
        text = "".join(LINES[:count])
        cut = window.cut(text, ())
        assert size(cut) <= WINDOW
        starts.append(text.rindex(cut))
    assert 3 <= len(set(starts)) <= 8  # 40 lines of some 15 tokens


def test_edits_above_the_window_do_not_move_it() -> None:
    window, text = PrefixWindow(tokenizer()), "".join(LINES[:200])
    assert window.cut(text, ()) == window.cut("import os\n" + text[500:], ())


def test_one_long_line_is_cut_inside() -> None:
    assert size(PrefixWindow(tokenizer()).cut("x = 1; " * 2000, ())) <= WINDOW - JUMP + 1


def test_snippets_stand_at_the_head_and_stay_with_their_window() -> None:
    window = PrefixWindow(tokenizer())
    cut = window.cut("a = 1\n", (Snippet("def useful(): ...\n"),))
    assert cut == "def useful(): ...\n\na = 1\n"
    assert window.cut("a = 1\nb", (Snippet("another = 1\n"),)) == "def useful(): ...\n\na = 1\nb"


def test_snippets_that_do_not_fit_are_left_out() -> None:
    assert PrefixWindow(tokenizer()).cut("a", (Snippet("word " * 500), Snippet("short"))) == "short\n\na"


BLOCK = """    def test_value{0}(self):
        client = make_client()
        response = client.get("/api/v1/items{0}", headers={{"X-Token": "abc"}})
        self.assertEqual(response.status_code, 200)

"""
PERIODIC = {
    "blocks": BLOCK.format(""),
    "one line": "    pass\n",
    "table rows": "| 1 | 2 | 3 |\n",
    "no period at all": None,
}


@pytest.mark.parametrize("kind", PERIODIC)
@pytest.mark.parametrize("head", [None, 1000])
def test_in_text_that_repeats_itself_the_window_moves_as_seldom_as_elsewhere(kind: str, head: int | None) -> None:
    """`head`: what comes before is cut off in jumps of so many characters, as editors' prefixes are."""
    block = PERIODIC[kind]
    lines = [*map(BLOCK.format, range(40))] if block is None else [block] * (40 if "\n" in block.strip() else 400)
    full, moves = "class T:\n" + "".join(lines), 0
    window, last = PrefixWindow(tokenizer()), -1
    ends = [at + 1 for at, sign in enumerate(full) if sign == "\n" and at > len(full) // 2][:81]
    for end in ends:
        first = max(0, end - 4000) // head * head if head else 0
        _, start = window.place(full[first:end], ())
        moves += first + start != last
        last = first + start
        assert size(full[last:end]) <= WINDOW
    tokens = size(full[ends[0] : ends[-1]])
    assert moves <= 2 + tokens // (JUMP // 2) + (len(full) // head if head else 0)


def test_the_window_of_equal_blocks_stays_where_a_line_above_was_added() -> None:
    window, text = PrefixWindow(tokenizer()), "import os\n" + BLOCK.format("") * 12
    _, start = window.place(text, ())
    _, again = window.place("import json\n" + text, ())
    assert start > 0
    assert again == start + len("import json\n")
