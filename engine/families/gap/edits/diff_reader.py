"""A base that reads diffs: what it writes behind one, and how likely it finds what may stand there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.families.gap.decoding.decode_loop import decode
from lacuna.engine.families.gap.decoding.drafter import Drafter
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.prompt_lookup import PromptLookup
from lacuna.engine.families.gap.decoding.search import Beam, Search
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import MAX_CANVAS, GapDenoiser
from lacuna.engine.families.gap.kv_context import TAIL_TOKENS, KvContext
from lacuna.engine.families.shared.diff_text import COMES, GOES, STAYS
from lacuna.engine.request_trace import RequestTrace
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Boundary, healing_start

GREEDY = Search(1, 1, best_first=False)
# A line that comes is mostly one that goes: longer drafts of it are worth their rows.
RIGHT = {4: 0.9, 3: 0.85, 2: 0.7, 1: 0.25}
DRAFTED = 20  # tokens


@dataclass(frozen=True)
class Compared:
    gain: float  # log-odds of a continuation against the other, nats
    odds: dict[str, float]  # behind it, as of `odds_behind`


class DiffReader:
    """Two diffs stay read: with the user's hunks, and as if nothing had been changed."""

    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer) -> None:
        self._denoiser, self._tokenizer = denoiser, tokenizer
        self.made, self.unmade = denoiser.context(), denoiser.context()
        self._signs = {sign: torch.tensor(tokenizer.spelling(sign.encode())) for sign in (STAYS, GOES, COMES)}

    def odds_at(
        self, head: Sequence[int], lines: Sequence[Sequence[int]], trace: RequestTrace
    ) -> list[dict[str, float]]:
        """At the beginning of each of some lines behind a head, the log-odds that a line of the diff goes or comes, and
        does not stay. One pass; the lines stay read."""
        context, draft = self.made, [token for line in lines for token in line]
        context.prefill_prefix(head, trace.check)
        starts = [sum(map(len, lines[:at])) for at in range(len(lines))]
        trace.count()
        return [self._by_sign(row) for row in self._denoiser.log_probabilities_at(context, draft, starts)]

    def odds_behind(self, ids: Sequence[int], trace: RequestTrace) -> dict[str, float]:
        """The same of the line behind all that is read."""
        self.made.prefill_prefix(ids, trace.check)
        return self._by_sign(self.made.next_log_probabilities[0])

    def line(self, head: Sequence[int], like: str, trace: RequestTrace, typed: str = "") -> str | None:
        """A line that comes behind a head and begins with what is typed, with another one as a draft; None where no end
        of it is found."""
        text = COMES + typed
        cut = healing_start(text, self._tokenizer) if typed else 0
        context, end = self.made, self._denoiser.config.end_of_hole_token_id
        context.prefill_prefix([*head, *self._tokenizer.encode(text[:cut])], trace.check)
        boundary = Boundary("", "", text[cut:].encode("utf-8", "replace"), False)
        sources = [context.ids, [*context.ids[-3:], *self._tokenizer.encode((COMES + like)[cut:])]]
        drafter = Drafter(context.ids, PromptLookup(sources, RIGHT), end, self._denoiser.can_propose, DRAFTED)
        first = Hypothesis(MAX_CANVAS, boundary, self._tokenizer, 1, end)
        fill = decode(self._denoiser, context, Beam(first, [end], GREEDY), drafter, trace.count, trace.step)[0]
        return typed + fill.spelled[fill.forced :].decode("utf-8", "ignore") + "\n" if fill.ended else None

    def compared(
        self,
        context: KvContext,
        head: Sequence[int],
        changed: Sequence[int],
        same: Sequence[int],
        behind: Sequence[int],
        trace: RequestTrace,
    ) -> Compared | None:
        """One continuation of a head against another, both with what is behind them; None where they are too long to be
        scored."""
        longer, shorter = [*changed, *behind], [*same, *behind]
        if len(longer) + len(shorter) > TAIL_TOKENS:
            return None
        context.prefill_prefix(head, trace.check)
        trace.count()
        found = self._denoiser.score(context, DraftTree([longer[:-1], shorter[:-1]]), keep=True)
        likely, now = (
            sum(float(row[token]) for row, token in zip(rows, ids, strict=True))
            for rows, ids in zip(found, (longer, shorter), strict=True)
        )
        return Compared(likely - now, self._by_sign(found[0][len(changed)]))

    def _by_sign(self, row: Tensor) -> dict[str, float]:
        """The log-odds that a line of the diff begins with a sign, and not with a space."""
        whole = {sign: float(row[ids].logsumexp(0)) for sign, ids in self._signs.items()}
        return {sign: whole[sign] - whole[STAYS] for sign in (GOES, COMES)}
