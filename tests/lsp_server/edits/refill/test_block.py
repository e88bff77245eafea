"""What can be refilled at a place, and the question that is asked about it."""

from __future__ import annotations

import pytest
from marked_text import snapshot_at

from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.refill.block import MAX_CHARS, Block, Unit, block_between, blocks_at, text_of, without
from lacuna.lsp_server.edits.refill.refill import question_of
from lacuna.lsp_server.infill.question import Question, Scope
from lacuna.lsp_server.infill.suggestion import Rejected

LOOP = """\
def f(a, b):
    '''Doc.'''
    for x in a:
        if x > b:
            total += x
            b |= x
    return b
"""
RUST = "fn f(a: i32) -> i32 {\n    if a > 0 {\n        g(a);|\n        h(a);\n    }\n    a\n}\n"


def check(marked: str, language: str, unit: Unit, expected: str) -> None:
    """The block of a unit around the cursor."""
    snapshot = snapshot_at(marked, language)
    assert {block.unit: text_of(snapshot, block) for block in blocks_at(snapshot)}[unit] == expected


def whole(snapshot: Snapshot, unit: Unit = Unit.SELECTION) -> Block:
    block = block_between(snapshot, unit, Place(0, 0), snapshot.text.end)
    assert block is not None
    return block


def test_python() -> None:
    body = LOOP.replace("|", "").partition(":\n    ")[2].rstrip()
    check(LOOP, "python", Unit.LINE, "b = x")
    check(LOOP, "python", Unit.STATEMENT, "b = x")
    check(LOOP, "python", Unit.BLOCK, "total += x\n            b = x")
    check(LOOP, "python", Unit.BODY, body)
    check("def f(|a, b):\n    return a\n", "python", Unit.STATEMENT, "def f(a, b):\n    return a")
    check("def f(|a, b):\n    return a\n", "python", Unit.BODY, "return a")


def test_brackets_around_a_block_are_no_part_of_it() -> None:
    check(RUST, "rust", Unit.BLOCK, "g(a);\n        h(a);")
    check(RUST, "rust", Unit.BODY, "if a > 0 {\n        g(a);\n        h(a);\n    }\n    a")
    check("const f = (a) => { return a|; };\n", "javascript", Unit.BODY, "return a;")
    check("def f(a)\n  puts a|\nend\n", "ruby", Unit.BODY, "puts a")
    check("func f(a int) int {\n\tb := a|\n\treturn b\n}\n", "go", Unit.BODY, "b := a\n\treturn b")


def test_the_cursor_in_the_indentation_is_meant_to_be_in_the_code() -> None:
    check("def f():\n |   return 1\n", "python", Unit.STATEMENT, "return 1")
    check("def f():\n    return 1  |\n", "python", Unit.STATEMENT, "return 1")


def test_characters_of_several_bytes_and_crlf() -> None:
    check("name = 'ä😀'\r\ndef f():\r\n    return 'ö' + |'ü'\r\n", "python", Unit.STATEMENT, "return 'ö' + 'ü'")
    check("# 😀\r\ndef f():\r\n    a = 1\r\n    return| a\r\n", "python", Unit.BODY, "a = 1\r\n    return a")


def test_a_blank_line_has_no_line_to_refill() -> None:
    units = {block.unit for block in blocks_at(snapshot_at("def f():\n    a = 1\n|\n    return a\n"))}
    assert Unit.LINE not in units and Unit.BODY in units
    assert blocks_at(snapshot_at("|")) == []


def test_without_a_grammar_there_are_lines() -> None:
    assert [block.unit for block in blocks_at(snapshot_at("one| two\n", ""))] == [Unit.LINE]


def test_the_smallest_comes_first() -> None:
    snapshot = snapshot_at(LOOP)
    lengths = [len(text_of(snapshot, block)) for block in blocks_at(snapshot)]
    assert lengths == sorted(lengths)


def test_what_is_too_long_is_not_offered() -> None:
    snapshot = snapshot_at("def f():\n    |a = 1\n" + "    b = 2\n" * (MAX_CHARS // 10))
    assert {block.unit for block in blocks_at(snapshot)} == {Unit.LINE, Unit.STATEMENT}
    assert block_between(snapshot, Unit.SELECTION, Place(0, 0), snapshot.text.end) is None


def test_a_selection_loses_the_white_space_at_its_ends() -> None:
    snapshot = snapshot_at("def f():\n    a = 1  \n    b = 2\n\n|")
    block = block_between(snapshot, Unit.SELECTION, Place(1, 0), Place(3, 0))
    assert block == Block(Unit.SELECTION, Place(1, 4), Place(2, 9))
    assert block_between(snapshot, Unit.SELECTION, Place(3, 0), Place(4, 0)) is None


def test_the_document_without_a_block_is_parsed() -> None:
    snapshot = snapshot_at(LOOP)
    body = next(block for block in blocks_at(snapshot) if block.unit is Unit.BODY)
    hollow = without(snapshot, body)
    assert str(hollow.text) == "def f(a, b):\n    \n"
    assert hollow.place == Place(1, 4) and hollow.version == snapshot.version
    assert hollow.tree is not None and hollow.tree_is_fresh


@pytest.mark.parametrize(
    ("marked", "unit", "scope"),
    [
        (LOOP, Unit.LINE, Scope.REST_OF_LINE),
        (LOOP, Unit.STATEMENT, Scope.STATEMENT),
        (LOOP, Unit.BLOCK, Scope.BLOCK),
        (LOOP, Unit.BODY, Scope.BLOCK),
        ("if a: |b()\n", Unit.BLOCK, Scope.BLOCK),
    ],
)
def test_how_far_a_refill_should_go(marked: str, unit: Unit, scope: Scope) -> None:
    snapshot = snapshot_at(marked)
    block = next(block for block in blocks_at(snapshot) if block.unit is unit)
    question = question_of(snapshot, block, without(snapshot, block), Exclusion())
    assert isinstance(question, Question)
    assert question.scope is scope
    assert question.gap.prefix + text_of(snapshot, block) + question.gap.suffix == str(snapshot.text)


def test_longer_blocks_may_become_longer() -> None:
    short, long = snapshot_at("|a = 1\n"), snapshot_at("|a = 1\n" + "b = 2\n" * 30)
    asked = []
    for snapshot in (short, long):
        question = question_of(snapshot, whole(snapshot), without(snapshot, whole(snapshot)), Exclusion())
        assert isinstance(question, Question)
        asked.append((question.gap.max_tokens, question.max_lines))
    assert asked[0] < (40, 2) < (90, 31) < asked[1]


def test_what_begins_in_mid_line_goes_on_no_further_left_than_its_line() -> None:
    snapshot = snapshot_at("def f():\n    x = g(|\n        1,\n        2,\n    )\n")
    block = block_between(snapshot, Unit.SELECTION, Place(1, 8), Place(4, 5))
    assert block is not None
    question = question_of(snapshot, block, without(snapshot, block), Exclusion())
    assert isinstance(question, Question) and question.indentation == "    "


def test_files_that_are_left_alone_are_not_refilled() -> None:
    snapshot = snapshot_at("|key = 1\n", uri="file:///project/.env")
    question = question_of(snapshot, whole(snapshot), without(snapshot, whole(snapshot)), Exclusion())
    assert isinstance(question, Rejected)
