"""Ranks the fillings of a patch by the reranker's score, with their gain over the text as it is."""

from __future__ import annotations

from collections.abc import Sequence

from lacuna.engine.api import Revision


def ranked(
    tried: Sequence[tuple[str, ...]],
    scores: Sequence[float | None],
    old_scores: Sequence[float | None],
    candidates: Sequence[tuple[str, ...]],
) -> tuple[Revision, ...]:
    """The fillings that have a score, best first. `tried` begins with the text as it is.

    `old_scores` are the reranker's before the edit: the scores themselves where they are not known.
    """
    present, old_present = scores[0], old_scores[0]
    if present is None or old_present is None:
        return ()
    revisions = []
    for texts, score, old in zip(tried[1:], scores[1:], old_scores[1:], strict=True):
        if score is not None and old is not None:
            gain = score - present
            revisions.append(Revision(texts, gain, score, texts in candidates, gain - (old - old_present)))
    return tuple(sorted(revisions, key=lambda revision: -revision.score))
