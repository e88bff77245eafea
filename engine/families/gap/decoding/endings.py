"""Endings: where a fill should end when the line goes on behind the hole.

The adapted model is less sure of such ends (84 % found, 91 % of those of lines): it may write the rest of the line that
stands behind the hole already. So fills are also cut where the suffix might go on, and the judge says what reads best
with the suffix behind it. Of 62 places where nothing was missing 52 were left as they are, without it 43.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from lacuna.engine.families.gap.decoding.hypothesis import Lane
from lacuna.engine.families.gap.decoding.rerank import Judge

LEAST = log(0.003)  # log probability of the end, or of the suffix' first token, from which a fill is cut there
MOST = 6  # fills that are judged


def judged(lanes: Sequence[Lane], judge: Judge) -> list[Lane]:
    """The lanes and what they can be cut to, one of each text, by the judge's score."""
    texts: dict[bytes, Lane] = {}
    for fill in (fill for lane in lanes for fill in (lane, *_cuts(lane))):
        if fill.spelled not in texts or texts[fill.spelled].score < fill.score:
            texts[fill.spelled] = fill
    likeliest = sorted(texts.values(), key=lambda lane: lane.score, reverse=True)[:MOST]
    scores = dict(zip(likeliest, judge.judge([lane.spelled for lane in likeliest]), strict=True))
    return sorted(likeliest, key=lambda lane: scores[lane], reverse=True)


def _cuts(lane: Lane) -> list[Lane]:
    return [lane.cut(count) for count, ending in enumerate(lane.endings) if ending >= LEAST and lane.may_end(count)]
