"""A hypothesis of a patch: one choice of lengths for its holes, decided token by token on a canvas with the rest
pinned."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lacuna.engine.api import Frame
from lacuna.engine.families.gap.decoding.canvas import Canvas
from lacuna.engine.families.shared.patch_layout import Layout, Span
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Spelling


class PatchHypothesis:
    """Every hole is decided from the left. Behind the last one stands what ends a hole, so that its length is seen."""

    def __init__(self, layout: Layout, length: int, tokenizer: Tokenizer, spelling: Spelling, end: int) -> None:
        """`length` is the canvas', longer than the layout's; `end` the end-of-hole token."""
        assert layout.length < length, "the canvas shows where the last hole ends"
        behind = dict.fromkeys(range(layout.length, length), end)
        self.layout = layout
        self.canvas = Canvas(length, {**layout.pins, **behind})
        self._tokenizer = tokenizer
        self._spelling = spelling
        self._end = end
        self._fresh: set[int] = set()  # positions decided in this step

    @property
    def finished(self) -> bool:
        return self.canvas.leftmost() == len(self.canvas)

    @property
    def texts(self) -> tuple[str, ...]:
        """What each hole spells, without its healing prefix. A character that a hole spells only in part is left
        out."""
        assert self.finished, "there are masked positions left"
        spelled = [self._tokenizer.decode(self._tokens(hole.positions)) for hole in self.layout.holes]
        return tuple(
            text[len(hole.healing_prefix) :].decode("utf-8", errors="ignore")
            for hole, text in zip(self.layout.holes, spelled, strict=True)
        )

    def draft(self, rows: Tensor) -> list[int]:
        """Tokens for all positions of the layout: what is known, and the canvas' best elsewhere.

        `rows` has shape [positions from the leftmost masked one on, vocab].
        """
        leftmost = self.canvas.leftmost()
        tokens = self._tokens(range(self.layout.length))
        for hole in self.layout.holes:
            for at in hole.positions:
                if self.canvas.token(at) is None:
                    before = tokens[hole.positions.start : at]
                    tokens[at] = int(self.constrain(hole, before, rows[at - leftmost]).argmax())
        return tokens

    def constrain(self, hole: Span, before: Sequence[int], scores: Tensor) -> Tensor:
        """Scores [vocab] for a token in a hole after those `before`: what cannot spell the healing prefix is out, and
        so is the end of the hole, as its length is given."""
        scores = scores.clone()
        scores[self._end] = -scores.new_tensor(float("inf"))
        rest = hole.healing_prefix[len(self._tokenizer.decode(before)) :]
        if not rest:
            return scores
        allowed = self._spelling.allowed(rest, len(hole.positions) - len(before)).to(scores.device)
        return scores.new_full(scores.shape, -float("inf")).index_copy_(0, allowed, scores[allowed])

    def accept(self, position: int, token: int) -> None:
        self.canvas.accept(position, token)
        self._fresh.add(position)

    def frame(self, step: int) -> Frame:
        """The canvas as text, pinned tokens included; what stands left of the first hole is left out."""
        first, cells = self.layout.holes[0], list[tuple[str | None, bool]]()
        skip = len(first.healing_prefix)
        for at in range(self.layout.length):
            token = self.canvas.token(at)
            spelled = b"" if token is None else self._tokenizer.decode([token])
            shown = spelled[skip:] if at in first.positions else spelled
            cells.append((None if token is None else shown.decode("utf-8", "replace"), at in self._fresh))
            skip = max(0, skip - len(spelled))
        self._fresh.clear()
        return Frame(step, tuple(cells))

    def _tokens(self, positions: range) -> list[int]:
        """With the end-of-hole token at masked positions."""
        known = [self.canvas.token(at) for at in positions]
        return [self._end if token is None else token for token in known]
