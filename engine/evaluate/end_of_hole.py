"""The end of the hole, teacher-forced: with all that stands before it known, is its end found, and never before?"""

from __future__ import annotations

import random
from dataclasses import dataclass

from torch import Tensor

from engine.canvas import Canvas
from engine.draft_tree import DraftTree
from engine.evaluate.gaps import key
from engine.evaluate.reader import Reader
from engine.session import Hole

EARLIER = 3  # places before the end that are looked at in each gap, drawn by chance


@dataclass(frozen=True)
class EndOfHole:
    """Of one gap; first by the canvas alone, then by its product with the base, which decides in the sampler."""

    found: tuple[bool, bool]
    false: tuple[int, int]  # ends that were said before the end
    places: int  # where one could have been


def end_of_hole(reader: Reader, hole: Hole, truth: str, base_weight: float) -> EndOfHole | None:
    """None for a hole that no canvas holds whole, and for one that no answer can spell."""
    tokens = _right_tokens(reader, hole, truth)
    config = reader.denoiser.config
    if tokens is None or len(tokens) >= config.canvas_lengths[-1]:
        return None
    length, end = config.canvas_length(len(tokens)), config.end_of_hole_token_id
    earlier = [at for at in range(len(tokens)) if len(reader.tokenizer.decode(tokens[:at])) >= _required(hole)]
    places = random.Random(key(hole.gap)).sample(earlier, min(EARLIER, len(earlier)))
    canvases = [_known(tokens[:at], length) for at in (*places, len(tokens))]
    canvas = [rows[0] for rows in reader.denoiser.denoise(hole.context, canvases)]
    (said,) = reader.denoiser.score(hole.context, DraftTree([tokens]))
    base = [_with_end(said[at], hole, end) for at in (*places, len(tokens))]
    ends = [
        (int(row.argmax()) == end, int((row + base_weight * own).argmax()) == end)
        for row, own in zip(canvas, base, strict=True)
    ]
    false = (sum(alone for alone, _ in ends[:-1]), sum(product for _, product in ends[:-1]))
    return EndOfHole(ends[-1], false, len(places))


def _right_tokens(reader: Reader, hole: Hole, truth: str) -> list[int] | None:
    """What a canvas must spell: the stub, and the right answer."""
    seam = hole.seam
    if seam.newline and truth:
        if not truth.endswith("\n"):
            return None
        truth = truth[:-1]
    required = seam.required if truth or not seam.newline else seam.stub
    return reader.tokenizer.encode(required.decode("utf-8", "replace") + truth)


def _required(hole: Hole) -> int:
    return len(hole.seam.required)


def _known(tokens: list[int], length: int) -> Canvas:
    canvas = Canvas(length)
    for position, token in enumerate(tokens):
        canvas.accept(position, token)
    return canvas


def _with_end(row: Tensor, hole: Hole, end: int) -> Tensor:
    """The base ends a hole by saying the suffix's first token (see engine/sampler.py)."""
    row = row.clone()
    row[end] = row[hole.suffix[0] if hole.suffix else end]
    return row
