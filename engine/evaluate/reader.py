"""A gap's two sides, read by the base for the controls: as a session reads them, with contexts of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine import seams
from engine.context import Context
from engine.gap import Gap
from engine.lane import Lane
from engine.models.gap import GapDenoiser
from engine.seams import Seam
from engine.tokenizer import Tokenizer
from engine.window import Window


@dataclass(frozen=True)
class ReadGap:
    asked: Gap
    context: Context  # both sides read
    seam: Seam
    prefix: list[int]
    suffix: list[int]


class Reader:
    """Reads the gaps of one file, in order: what they share is read once."""

    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer, check: Callable[[], None]) -> None:
        self.denoiser = denoiser
        self.tokenizer = tokenizer
        self.check = check
        self._window = Window(tokenizer)
        self._context = denoiser.context()

    def read(self, gap: Gap) -> ReadGap:
        seam, prefix = seams.normalise(self._window.cut(gap.prefix, gap.snippets), gap.suffix, self.tokenizer)
        suffix = self.tokenizer.encode(seam.suffix)
        self._context.read_prefix(prefix, self.check)
        self._context.read_suffix(self.denoiser.suffixes.read(suffix), self.denoiser.config.suffix_distance)
        return ReadGap(gap, self._context, seam, prefix, suffix)

    def lane(self, gap: ReadGap) -> Lane:
        """An empty lane with room for all that is asked for, and the stub: no method is the worse for its seam."""
        length = gap.asked.max_tokens + len(self.tokenizer.encode(gap.seam.required.decode("utf-8", "replace")))
        end = self.denoiser.config.end_of_hole_token_id
        return Lane(length, gap.seam, self.tokenizer, gap.asked.max_lines, end)
