"""The end of the hole, teacher-forced: with all that stands before it known, is its end found, and never before?"""

from __future__ import annotations

import random
from dataclasses import dataclass

from lacuna.engine.evaluate.gaps import key
from lacuna.engine.evaluate.reader import Reader
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree
from lacuna.engine.families.gap.session import Hole

EARLIER = 3  # places before the end that are looked at in each gap, drawn by chance


@dataclass(frozen=True)
class EndOfHole:
    """Of one gap."""

    found: bool
    false: int  # ends that were said before the end
    places: int  # where one could have been


def end_of_hole(reader: Reader, hole: Hole, truth: str) -> EndOfHole | None:
    """None for a hole that no canvas holds whole, and for one that no answer can spell."""
    tokens = _right_tokens(reader, hole, truth)
    config = reader.denoiser.config
    if tokens is None or len(tokens) >= config.canvas_lengths[-1]:
        return None
    earlier = [at for at in range(len(tokens)) if len(reader.tokenizer.decode(tokens[:at])) >= _required(hole)]
    places = random.Random(key(hole.gap)).sample(earlier, min(EARLIER, len(earlier)))
    log_probs = reader.denoiser.denoise(hole.context, CanvasTree([tuple(tokens)], {})).log_probs
    *false, found = (
        int(log_probs[tuple(tokens[:at])].argmax()) == config.end_of_hole_token_id for at in (*places, len(tokens))
    )
    return EndOfHole(found, sum(false), len(places))


def _right_tokens(reader: Reader, hole: Hole, truth: str) -> list[int] | None:
    """What a canvas must spell: the healing prefix, and the right answer."""
    boundary = hole.boundary
    if boundary.newline and truth:
        if not truth.endswith("\n"):
            return None
        truth = truth[:-1]
    required = boundary.forced if truth or not boundary.newline else boundary.healing_prefix
    return reader.tokenizer.encode(required.decode("utf-8", "replace") + truth)


def _required(hole: Hole) -> int:
    return len(hole.boundary.forced)
