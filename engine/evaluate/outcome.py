"""What came of one gap, and whether it was right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from lacuna.engine.api import Gap
from lacuna.engine.evaluate.answers import Answer
from lacuna.engine.evaluate.end_of_hole import EndOfHole
from lacuna.engine.evaluate.gaps import EvaluationGap, GapKind
from lacuna.engine.evaluate.methods import Method


@dataclass(frozen=True)
class Outcome:
    gap: EvaluationGap
    answers: Mapping[Method, Answer]
    # Of methods that end holes themselves: the answers to `EvaluationGap.uncut` for the rest of a line (of one line
    # fills are searched in another way), else those above; and whether they have as many tokens as the right one.
    uncut: Mapping[Method, Answer]
    length_right: Mapping[Method, bool]
    end: EndOfHole | None  # of the canvas, where one holds the whole hole

    def text(self, method: Method) -> str:
        """The answer; of the rest of a line, what is left of its first line end."""
        text = self.answers[method].text
        return text.partition("\n")[0] if self.gap.kind is GapKind.REST_OF_LINE else text

    def exact(self, method: Method) -> bool:
        return self.text(method) == self.gap.truth

    def uncut_exact(self, method: Method) -> bool:
        return self.uncut[method].text == self.gap.truth

    def similarity(self, method: Method) -> float:
        """1 less the edits (Levenshtein) from one to the other over the longer one's length."""
        return Levenshtein.normalized_similarity(self.text(method), self.gap.truth)

    def forwards(self, method: Method) -> int:
        return self.answers[method].forwards


def outcome(
    gap: EvaluationGap,
    answer: Callable[[Method, Gap], Answer],
    methods: tuple[Method, ...],
    ending: tuple[Method, ...],
    count: Callable[[str], int],
    end: EndOfHole | None,
) -> Outcome:
    """`answer` answers one of the gap's questions by a method; `count` counts tokens. By those `ending`, holes are
    asked for uncut too."""
    uncut = {method: answer(method, gap.questions[-1]) for method in ending}
    answers = {method: answer(method, gap.gap) for method in methods}
    right = {method: count(said.text) == count(gap.truth) for method, said in uncut.items()}
    return Outcome(gap, answers, uncut, right, end)
