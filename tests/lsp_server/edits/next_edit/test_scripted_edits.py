"""The bench's script of edits: what each kind does to a file, what must follow, and which offers are right."""

from __future__ import annotations

import ast
from random import Random

import pytest
from edit_script import KINDS, no_op, scripted
from scripted_edit import Change, ScriptedEdit, applied, followed

FILE = '''import os

from shop import log


class Shop:
    def total(self, prices, tax):
        """The 'sum'."""
        result = sum(prices)
        if tax:
            log("total", result)
        return result + tax

    def report(self, prices):
        if prices:
            log("total", self.total(prices, 3.5))
        if prices:
            return self.total(prices, os.getpid())
        return 3.5
'''


def the(kind: str, starts: str) -> ScriptedEdit:
    """The edit of a kind whose text begins like that."""
    return next(edit for edit in scripted(kind, FILE) if edit.edit.text.startswith(starts))


def ways(edit: ScriptedEdit, number: int = 0) -> list[str]:
    """The line of a follow-up, as each of its ways makes it."""
    found = []
    for way in edit.follow_ups[number].ways:
        text = applied(edit.after, way)
        start = text.rfind("\n", 0, way[0].start) + 1
        found.append(text[start : text.index("\n", start)].strip())
    return found


def test_a_name_is_changed_where_it_is_first_written() -> None:
    edit = the("rename", "new_result")
    assert "        new_result = sum(prices)\n" in edit.after
    assert [ways(edit, number) for number in range(2)] == [['log("total", new_result)'], ["return new_result + tax"]]


def test_calls_follow_a_new_parameter() -> None:
    edit = the("parameter", ", timeout")
    assert "def total(self, prices, tax, timeout):" in edit.after
    assert ways(edit) == [
        'log("total", self.total(prices, 3.5, timeout))',
        'log("total", self.total(prices, 3.5, timeout=timeout))',
    ]


def test_arguments_follow_their_parameters() -> None:
    edit = the("order", "tax, prices")
    assert ways(edit) == ['log("total", self.total(3.5, prices))']
    assert len(edit.follow_ups[0].ways[0]) == 2, "both at once"


def test_a_literal_gets_a_name() -> None:
    edit = the("constant", "DEFAULT_NAME")
    assert 'import log\n\nDEFAULT_NAME = "total"\n' in edit.before
    assert "log(DEFAULT_NAME, result)" in edit.after
    assert ways(edit) == ["log(DEFAULT_NAME, self.total(prices, 3.5))"]


def test_the_twin_of_a_condition_is_negated() -> None:
    edit = the("negation", "not ")
    assert edit.after.index("if not prices:") < edit.after.index("if prices:")
    assert ways(edit) == ["if not prices:"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_edit_and_what_follows_is_python_and_right(kind: str) -> None:
    edits = scripted(kind, FILE)
    assert edits
    for edit in edits:
        ast.parse(edit.after)
        left: ScriptedEdit | None = edit
        while left is not None and left.follow_ups:
            way = left.follow_ups[-1].ways[-1]
            ast.parse(applied(left.after, way))
            left = followed(left, way)
        assert left is not None, "what follows is right, one after the other"


def test_what_does_less_more_or_nothing_is_wrong() -> None:
    edit = the("order", "tax, prices")
    first, second = edit.follow_ups[0].ways[0]
    assert followed(edit, [first]) is None
    assert followed(edit, [Change(first.start, second.end, "prices, 3.5")]) is None, "as it is"
    assert followed(edit, [Change(first.start, second.end, "3.5, prices")]) is not None
    assert followed(edit, [first, second, Change(0, 0, "\n")]) is None
    both = [change for follow in edit.follow_ups for change in follow.ways[0]]
    left = followed(edit, both)
    assert left is not None and left.follow_ups == ()


def test_nothing_follows_white_space_and_comments() -> None:
    for seed in range(20):
        edit = no_op(FILE, Random(seed))
        assert edit.follow_ups == ()
        assert ast.dump(ast.parse(edit.after)) == ast.dump(ast.parse(FILE))


def test_what_is_no_python_has_no_edits() -> None:
    assert all(scripted(kind, "def f(:\n") == scripted(kind, "") == [] for kind in KINDS)
