"""What came of one gap, and whether it was right."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from lacuna.engine.api import Features
from lacuna.engine.evaluate.gaps import EvaluationGap
from lacuna.engine.families.gap.confidence import Place


@dataclass(frozen=True)
class Shown:
    """A suggestion as an editor gets it: `text` takes the place of `replaced` characters right of the cursor."""

    text: str
    replaced: int = 0


@dataclass(frozen=True)
class Answer:
    """What a request brings: suggestions, the best first, or why there are none."""

    shown: tuple[Shown, ...]
    reason: str = ""  # "" where something is shown
    forwards: int = 0  # passes through the network after both sides were read; 0 where the model was not asked


@dataclass(frozen=True)
class Judged:
    """A fill that came unasked, for the confidence model: whether all of it is right if it is shown."""

    features: Features
    place: Place
    whole: Shown | None  # what post-processing leaves of all of it; None for nothing


@dataclass(frozen=True)
class Outcome:
    gap: EvaluationGap
    unasked: Answer  # to a request that comes with a keystroke
    asked: Answer  # to a person's
    judged: Judged | None  # None where the model was not asked unasked

    def first(self, answer: Answer) -> Shown:
        """The best suggestion; the empty one where nothing is shown."""
        return answer.shown[0] if answer.shown else Shown("")

    def wanted(self, shown: Shown) -> str:
        """What the suggestion's text would be if it was right: what it replaces stands in it again."""
        return self.gap.truth + self.gap.file.text[self.gap.right : self.gap.right + shown.replaced]

    def is_exact(self, shown: Shown) -> bool:
        """Whether the document becomes what it was."""
        return shown.text == self.wanted(shown)

    def is_true(self, shown: Shown) -> bool:
        """Whether it is right as far as it goes: all of the right text, or a beginning of it that breaks off no
        word."""
        wanted, length = self.wanted(shown), len(shown.text)
        breaks_off = _is_word(wanted[length - 1 : length]) and _is_word(wanted[length : length + 1])
        return length > 0 and wanted.startswith(shown.text) and not breaks_off

    def saved(self, shown: Shown) -> int:
        """Characters that need not be typed: all of a true suggestion but those that stood there; else none."""
        return max(0, len(shown.text) - shown.replaced) if self.is_true(shown) else 0

    def similarity(self, shown: Shown) -> float:
        """1 less the edits (Levenshtein) from it to the right text over the longer one's length."""
        return Levenshtein.normalized_similarity(shown.text, self.wanted(shown))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
