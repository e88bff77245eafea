"""Which fills are shown: sure enough, or as much of them as is."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from marked_text import context_at, snapshot_at

from lacuna.engine.api import Features, Infill
from lacuna.lsp_server.infill.question import Question, Trigger
from lacuna.lsp_server.infill.selection import select
from lacuna.lsp_server.infill.suggestion import Reason, Suggestion

FEATURES = Features(-1.0, -1.0, -1.0, -1.0, tokens=1, ended=True)
AUTOMATIC, INVOKED = Trigger.AUTOMATIC, Trigger.INVOKED


def infill(confidence: float, *pieces: tuple[str, float]) -> Infill:
    """A fill of pieces with their probabilities."""
    text = "".join(piece for piece, _ in pieces)
    logarithms = tuple((piece, math.log(probability)) for piece, probability in pieces)
    return Infill(text, confidence, 1, 1, FEATURES, logarithms)


def check(marked: str, *infills: Infill, trigger: Trigger = AUTOMATIC, confidence: float = 0.35) -> list[str] | Reason:
    """The texts that are suggested at the cursor, or why there are none."""
    question = context_at(marked, trigger=trigger)
    assert isinstance(question, Question)
    result = select(question, snapshot_at(marked), infills, confidence)
    return [suggestion.text for suggestion in result] if isinstance(result, tuple) else result


SURE = infill(0.9, ("a", 0.9), (" + ", 0.9), ("b", 0.9))
UNSURE = infill(0.1, ("a", 0.9), (" + ", 0.5), ("b", 0.2))
HOPELESS = infill(0.1, ("zz", 0.1))


def test_a_sure_fill_is_shown_whole() -> None:
    assert check("x = |\n", SURE) == ["a + b"]


def test_of_an_unsure_fill_the_beginning_that_is_sure_is_shown() -> None:
    unsure = infill(0.1, ("alpha", 0.9), (" + ", 0.5), ("b", 0.2))
    assert check("x = |\n", unsure) == ["alpha"]
    assert check("x = |\n", infill(0.1, ("name", 0.9), (".attri", 0.9), ("bute", 0.1))) == ["name"], "no half words"


def test_without_such_a_beginning_there_is_none() -> None:
    assert check("x = |\n", HOPELESS) is Reason.LOW_CONFIDENCE
    assert check("x = |\n", infill(0.1, (" ", 0.99), ("zz", 0.1))) is Reason.LOW_CONFIDENCE


def test_a_sure_fill_that_does_not_fit_gives_its_own_reason() -> None:
    assert check("x = |a + b\n", SURE, trigger=INVOKED) is Reason.REPEATS_SUFFIX


def test_a_later_fill_takes_the_place_of_one_that_is_not_shown() -> None:
    assert check("x = |\n", HOPELESS, SURE) == ["a + b"]


def test_unasked_there_is_one_and_asked_all_that_differ_however_unsure() -> None:
    assert check("x = |\n", SURE, infill(0.9, ("c", 0.9))) == ["a + b"]
    assert check("x = |\n", SURE, HOPELESS, UNSURE, trigger=INVOKED) == ["a + b", "zz"]


@pytest.mark.parametrize("text", ["a", "abc", "f()", "(a)"])
def test_what_would_save_too_little_is_shown_to_whoever_asks(text: str) -> None:
    fill, other = infill(0.9, (text, 0.9)), infill(0.9, ("another_name", 0.9))
    assert check("x = |\n", fill) is Reason.TOO_LITTLE
    assert check("x = |\n", fill, other) is Reason.TOO_LITTLE, "and nothing less likely instead"
    assert check("x = |\n", fill, other, trigger=INVOKED) == [text, "another_name"]


def test_the_setting_moves_the_line() -> None:
    assert check("x = |\n", UNSURE, confidence=0.0) == ["a + b"]
    assert check("x = |\n", SURE, confidence=1.0) is Reason.LOW_CONFIDENCE
    assert check("x = |\n", UNSURE, confidence=0.9) is Reason.LOW_CONFIDENCE


def test_what_is_shown_has_the_documents_line_ends() -> None:
    question = context_at("if x:|\r\n\r\n", trigger=INVOKED)
    assert isinstance(question, Question)
    fills = [infill(0.9, ("\n", 0.9), ("    a()\n    b()", 0.9))]
    assert select(question, snapshot_at("if x:|\r\n\r\n"), fills, 0.35) == (Suggestion("\r\n    a()\r\n    b()"),)


@pytest.mark.parametrize(
    ("marked", "pieces", "expected"),
    [
        ("x = |\n", ("total", "(al", "pha, be"), "total(alpha,"),  # not "be": it may go on
        ("x = |\n", ("first", " + sec"), "first"),
        ("# |\n", ("what the wo", "rd me"), "what the word"),
        ("if x:|\n", ("\n    first()\n", "    second(al"), "\n    first()"),
        ("x = |\n", ("unfinishe",), Reason.LOW_CONFIDENCE),
    ],
)
@pytest.mark.parametrize("confidence", [0.95, 0.1])
@pytest.mark.parametrize("trigger", [AUTOMATIC, INVOKED])
def test_a_fill_that_ran_out_of_tokens_is_shown_as_far_as_it_is_whole(
    marked: str, pieces: tuple[str, ...], expected: str | Reason, confidence: float, trigger: Trigger
) -> None:
    """Whether it is sure as a whole, or only each of its tokens is."""
    fill = infill(confidence, *((piece, 0.99) for piece in pieces))
    broken = replace(fill, features=replace(FEATURES, ended=False))
    assert check(marked, broken, trigger=trigger) == (expected if isinstance(expected, Reason) else [expected])


def test_lines_that_were_written_to_their_ends_are_whole() -> None:
    fill = infill(0.9, ("\n    first()\n", 0.9), ("    second()\n", 0.9))
    broken = replace(fill, features=replace(FEATURES, ended=False))
    assert check("if x:|\n", broken, trigger=INVOKED) == ["\n    first()\n    second()"]
