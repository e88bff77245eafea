"""The base as judge: S(c) = log p(c | prefix) + log p(suffix head | prefix, c), over the text tokenised anew (DESIGN
2.2).

By Bayes it ranks p(c | prefix, suffix); so no normalisation by length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.context import Context
from engine.draft_tree import DraftTree
from engine.models.gap import GapDenoiser
from engine.tokenizer import Tokenizer

HEAD_TOKENS = 8  # of the suffix that a fill is judged by; 12 chose no better over 60 gaps, and took longer


@dataclass(frozen=True)
class Judged:
    score: float  # S
    fill_score: float  # its first part, log p(c | prefix)
    tokens: list[int]  # the fill's, tokenised with what follows it
    slots: tuple[int, ...] = ()  # where the base's keys and values of these tokens are; none where they are gone


class Judge:
    """Scores the fills of one hole, stubs included.

    It adds the suffix' head to the drafts that the sampler has the base read: a draft that turns out to be the fill is
    judged already, and a pass is saved.
    """

    def __init__(
        self,
        denoiser: GapDenoiser,
        context: Context,
        suffix: Sequence[int],
        tokenizer: Tokenizer,
        waiting: Sequence[bytes] = (),
    ) -> None:
        """`waiting` are fills to score in the first pass that comes."""
        self._denoiser, self._context, self._tokenizer = denoiser, context, tokenizer
        self._head = _text(tokenizer.decode(suffix[:HEAD_TOKENS]))
        self._waiting = waiting
        self._known: dict[bytes, Judged] = {}

    def read(self, drafts: Sequence[list[int]], forks: Sequence[list[int]] = ()) -> dict[tuple[int, ...], Tensor]:
        """Has the base read drafts, and `forks` that are no fills: its log probabilities [vocab] behind every
        beginning of each."""
        fills = [*map(self._tokenizer.decode, drafts), *self._waiting]
        whole = [self._with_head(fill) for fill in fills]
        # What is cut into other tokens with the suffix behind it can only be judged in a pass of its own.
        read = [ids if ids[: len(draft)] == draft else draft for ids, draft in zip(whole, drafts, strict=False)]
        read += [*whole[len(drafts) :], *forks]
        rows = self._denoiser.score(self._context, DraftTree(read))
        for fill, ids, wanted, row in zip(fills, read, whole, rows, strict=False):
            if ids is wanted:
                self._known[fill] = self._verdict(fill, ids, row)
        self._waiting = []
        return {tuple(ids[:at]): after for ids, row in zip(read, rows, strict=True) for at, after in enumerate(row)}

    def judge(self, fills: Sequence[bytes], check: Callable[[], None] = lambda: None) -> list[Judged]:
        """Scores fills, in one more pass of the base where some are not known; their keys and values stay in the
        context's tail. `check` runs before the pass and may raise."""
        unknown = [fill for fill in dict.fromkeys(fills) if fill not in self._known]
        if unknown:
            check()
            whole = [self._with_head(fill) for fill in unknown]
            tree = DraftTree(whole)
            scores = self._denoiser.score(self._context, tree)
            for fill, ids, rows, path in zip(unknown, whole, scores, tree.paths, strict=True):
                self._known[fill] = self._verdict(fill, ids, rows, [self._context.tail + row for row in path])
        return [self._known[fill] for fill in fills]

    def _with_head(self, fill: bytes) -> list[int]:
        return self._tokenizer.encode(_text(fill) + self._head)

    def _verdict(self, fill: bytes, ids: list[int], rows: Sequence[Tensor], slots: Sequence[int] = ()) -> Judged:
        said = [float(row[token]) for row, token in zip(rows, ids, strict=False)]
        count = _tokens_of(self._tokenizer, ids, len(fill))
        return Judged(sum(said), sum(said[:count]), ids[:count], tuple(slots[:count]))


def _tokens_of(tokenizer: Tokenizer, draft: list[int], size: int) -> int:
    """How many of the draft's tokens lie within its first `size` bytes."""
    spelled = 0
    for count, token in enumerate(draft):
        spelled += len(tokenizer.decode([token]))
        if spelled > size:
            return count
    return len(draft)


def _text(spelled: bytes) -> str:
    return spelled.decode("utf-8", errors="ignore")  # half a character at a canvas' edge says nothing yet
