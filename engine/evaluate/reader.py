"""A gap's two sides, prefilled by the session that the canvas' methods use too: they share its KV cache."""

from __future__ import annotations

from collections.abc import Callable

from lacuna.engine.api import Gap
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.session import Hole, Session
from lacuna.engine.text.byte_bpe import Tokenizer


class Reader:
    """Prefills the gaps of one file, in order."""

    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer, check: Callable[[], None]) -> None:
        self.denoiser = denoiser
        self.tokenizer = tokenizer
        self.check = check
        self.session = Session(denoiser, tokenizer)

    def prefill(self, gap: Gap) -> Hole:
        return self.session.prefill(gap, self.check)

    def hypothesis(self, hole: Hole) -> Hypothesis:
        """An empty hypothesis with room for all that is asked for, and the healing prefix: no method is the worse for
        its boundary."""
        length = hole.gap.max_tokens + len(self.tokenizer.encode(hole.boundary.forced.decode("utf-8", "replace")))
        end = self.denoiser.config.end_of_hole_token_id
        return Hypothesis(length, hole.boundary, self.tokenizer, hole.gap.max_lines, end)
