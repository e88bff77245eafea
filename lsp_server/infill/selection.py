"""Selects the fills that are shown: those that are confident enough and fit, or as much of them as does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from lacuna.engine.api import Infill
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.infill.postprocess import longest_confident_prefix, postprocess, reveals_secret, unbroken
from lacuna.lsp_server.infill.question import Question, Trigger
from lacuna.lsp_server.infill.suggestion import Reason, Rejected, Suggestion

# Characters of a suggestion, white space around it aside, that are sooner typed than read. Of 440 suggestions that one
# saw while typing six programs 27 % had no more.
CRUMB = 3


def select(
    question: Question, snapshot: Snapshot, infills: Iterable[Infill], confidence: float
) -> tuple[Suggestion, ...] | Reason:
    """Suggestions, the best first: one if nobody asked, else all that differ. Or what was wrong with the best fill.

    `confidence` is the threshold of automatic requests; invoked ones have none.
    """
    threshold = confidence if question.trigger is Trigger.AUTOMATIC else 0.0
    found: dict[str, Suggestion] = {}
    reasons: list[Reason] = []
    for infill in infills:
        suggestion = _suggestion(question, snapshot, infill, threshold)
        if isinstance(suggestion, Suggestion):
            found.setdefault(_without_space(suggestion.text), suggestion)
            if question.trigger is Trigger.AUTOMATIC:
                break
        else:
            reasons.append(suggestion)
            if suggestion is Reason.TOO_LITTLE:
                break  # what is less likely is no better for being longer
    return tuple(found.values()) or reasons[0]


def _suggestion(question: Question, snapshot: Snapshot, infill: Infill, threshold: float) -> Suggestion | Reason:
    if reveals_secret(question, infill.text):  # nor is its beginning shown: it may be half of one
        return Reason.SECRET
    reason = Reason.LOW_CONFIDENCE
    for fill in dict.fromkeys(_candidates(question, infill, threshold)):
        result = postprocess(question, snapshot, fill, infill.text)
        if isinstance(result, Rejected):
            reason = result.reason
        elif question.trigger is Trigger.AUTOMATIC and len(result.text.strip()) <= CRUMB:
            reason = Reason.TOO_LITTLE
        else:
            return result
    return reason


def _candidates(question: Question, infill: Infill, threshold: float) -> Iterator[str]:
    """The whole fill, and its beginning of which every token is sure; nothing that breaks off in mid-word."""
    whole = infill.text if infill.features.ended else unbroken(infill.text, question)
    if infill.confidence >= threshold and (infill.features.ended or whole.strip()):
        yield whole
    beginning = longest_confident_prefix(infill.pieces, math.log(_token_threshold(threshold)), question)
    if (shown := min(beginning, whole, key=len)).strip():
        yield shown


def _token_threshold(confidence: float) -> float:
    """How probable each token of a beginning must be when a whole fill must be this sure.

    A beginning was not judged as a whole, so more is asked of its tokens: four fifths at the default of 0.4,
    certainty at 1.
    """
    return (2.0 + confidence) / 3.0


def _without_space(text: str) -> str:
    """What tells choices apart: those that differ in white space alone are one."""
    return "".join(text.split())
