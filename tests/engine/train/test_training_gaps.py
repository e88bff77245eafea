"""Gaps for training: cut where the engine would cut them, and whole."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from embedded import tokenizer

from lacuna.engine.text import token_healing
from lacuna.engine.train import gaps
from lacuna.engine.train.batch import LENGTHS, Group, batch
from lacuna.engine.train.gaps import Shape, Window

TEXT = '''\
"""Ünïcode and emoji 🎉 in a docstring."""
import os


class Stack:
    def __init__(self, items=None):
        self._items = list(items or [])

    def push(self, item, *, twice=False):
        self._items.append(item)
        if twice:
            self._items.append(item)
        return len(self._items)

    def pop(self):
        if not self._items:
            raise IndexError("pop from an empty stack")
        return self._items.pop()


print(os.path.join("a", "b"), Stack([1, 2, 3]).push(4))
'''


def window(seed: int, size: int = 256) -> Window:
    return gaps.cut(TEXT, 0, "python", size, 8, tokenizer(), random.Random(seed))


def bytes_of(ids: tuple[int, ...]) -> bytes:
    return tokenizer().decode(ids)


@pytest.mark.parametrize("seed", range(30))
def test_prefix_fill_and_suffix_are_the_file(seed: int) -> None:
    cut = window(seed)
    for gap in cut.gaps:
        there = bytes_of(cut.ids[: gap.left]) + bytes_of(gap.tokens) + bytes_of(cut.suffixes[gap.suffix])
        assert TEXT.encode().startswith(there)


@pytest.mark.parametrize("seed", range(30))
def test_left_cuts_are_where_seams_leave_them(seed: int) -> None:
    """A canvas begins where white space or a word begins: a cursor behind it finds the boundary there again."""
    cut = window(seed)
    for gap in cut.gaps:
        prefix = bytes_of(cut.ids[: gap.left]).decode()
        fill = bytes_of(gap.tokens).decode()
        cursors = [prefix + fill[:count] for count in range(len(fill) + 1)]
        suffix = bytes_of(cut.suffixes[gap.suffix]).decode(errors="ignore")
        found = [
            token_healing.heal(cursor, suffix, tokenizer())[0].prefix for cursor in [*cursors, prefix + fill + "\n"]
        ]
        assert prefix in found


def test_every_shape_is_cut() -> None:
    shapes = [gap.shape for seed in range(60) for gap in window(seed).gaps]
    assert {shape for shape in Shape if shapes.count(shape) < 20} == set()
    assert 0.05 < shapes.count(Shape.EMPTY) / len(shapes) < 0.2


def test_which_shapes_are_cut_and_how_many_lines_they_have_is_said() -> None:
    text = "".join(f"value_{number} = compute({number})\n" for number in range(30))
    longest = []
    for more_lines in (1, 4):
        only = replace(gaps.FIM_CUTTING, often={Shape.LINES: 1}, more_lines=more_lines)
        cuts = [gaps.cut(text, 0, "python", 256, 8, tokenizer(), random.Random(seed), only) for seed in range(10)]
        found = [gap for cut in cuts for gap in cut.gaps if gap.shape is not Shape.FILE_END]
        assert {gap.shape for gap in found} == {Shape.LINES, Shape.EMPTY}
        # A line end before the cursor is part of the hole.
        longest.append(max(tokenizer().decode(gap.tokens).strip().count(b"\n") for gap in found))
    assert longest == [1, 4]


def test_the_same_numbers_give_the_same_window() -> None:
    assert window(3) == window(3)
    assert window(3) != window(4)


@pytest.mark.parametrize("seed", range(10))
def test_canvases_hold_the_fill_and_its_end(seed: int) -> None:
    cut = window(seed)
    drawn = batch(cut, 0, 0, random.Random(seed))
    assert sum(int((~group.read).sum()) for group in drawn.groups) == len(cut.gaps)
    by_place = {(gap.left, gap.suffix, gap.tokens) for gap in cut.gaps}
    for group in drawn.groups:
        assert group.length in LENGTHS
        for at in range(len(group.anchors)):
            end = _end(group, at)
            tokens = tuple(group.tokens[at, :end].tolist())
            assert any(
                left == int(group.anchors[at]) and suffix == int(group.suffixes[at]) and fill[: group.length] == tokens
                for left, suffix, fill in by_place
            )
            assert (group.tokens[at, end:] == 0).all()
            if group.read[at]:
                assert group.known[at].all()
                assert group.weights[at].tolist() == [float(place <= end) for place in range(group.length)]
                continue
            assert not group.known[at, end:].any() and not group.known[at].all()
            assert (group.weights[at][group.known[at]] == 0).all()
            known = group.known[at].tolist()
            assert known == sorted(known, reverse=True) or not group.from_left[at]


@pytest.mark.parametrize("seed", range(4))
def test_of_every_right_cut_the_longest_gap_is_read(seed: int) -> None:
    cut = window(seed)
    longest = {gap.suffix: max(len(g.tokens) for g in cut.gaps if g.suffix == gap.suffix) for gap in cut.gaps}
    read = {
        (int(group.suffixes[at]), _end(group, at))
        for group in batch(cut, 0, 0, random.Random(seed)).groups
        for at in group.read.nonzero().flatten().tolist()
    }
    assert {(suffix, min(size, LENGTHS[-1])) for suffix, size in longest.items()} <= read


def _end(group: Group, at: int) -> int:
    """The position of the end-of-hole token, 0 here; the canvas' length where it has none."""
    return [*group.tokens[at].tolist(), 0].index(0)


def test_a_file_without_lines_or_grammar_gives_what_it_can() -> None:
    chance = random.Random(0)
    assert {gap.tokens for gap in gaps.cut("", 0, "python", 64, 4, tokenizer(), chance).gaps} <= {()}
    blank = gaps.cut("\n\n\n", 0, "", 64, 4, tokenizer(), chance).gaps
    assert all(not bytes_of(gap.tokens).strip() for gap in blank)
    assert gaps.cut("one line, no end", 0, "nothing", 64, 8, tokenizer(), chance).gaps


def test_holes_at_the_end_of_a_file_have_nothing_behind_them() -> None:
    text = "".join(f"value_{number} = compute({number})\n" for number in range(30))
    found = 0
    for seed in range(40):
        chance = random.Random(seed)
        start = gaps.start_before_end(text, 300, chance)
        assert text[start - 1] == "\n" and 0 < start < len(text)
        window = gaps.cut(text, start, "python", 512, 4, tokenizer(), chance)
        for gap in window.gaps:
            if gap.shape is Shape.FILE_END:
                found += 1
                assert tokenizer().decode(window.suffixes[gap.suffix]) in (b"", b"\n")
                held = tokenizer().decode([*window.ids[: gap.left], *gap.tokens]).decode()
                assert text[start:].startswith(held) and held.endswith(("compute(29)", "compute(29)\n"))
    assert found > 40
    inside = gaps.cut(text, 0, "python", 40, 4, tokenizer(), random.Random(1))
    assert all(gap.shape is not Shape.FILE_END for gap in inside.gaps)
