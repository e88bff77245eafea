"""Patches in the FIM layout: the stretch from the first hole to the last is written anew, and counts where it still
holds what is pinned between them; the decoder then scores all of it against the text as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from lacuna.engine.api import Frame, Patch, Patched, Revision
from lacuna.engine.families.gap.decoding.decode_loop import decode
from lacuna.engine.families.gap.decoding.drafter import Drafter
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.prompt_lookup import PromptLookup
from lacuna.engine.families.gap.decoding.search import Beam, Search
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.patcher import CANDIDATES, DENOISING, SUFFIX_CHARACTERS, Texts, in_time, joined
from lacuna.engine.families.gap.edits.two_versions import Before, TwoVersions
from lacuna.engine.families.gap.fim import layout
from lacuna.engine.families.gap.fim.templates import Markers
from lacuna.engine.families.gap.kv_context import KvContext
from lacuna.engine.families.shared.patch_ranking import ranked
from lacuna.engine.request_trace import OutOfTime, RequestTrace
from lacuna.engine.text import token_healing
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Boundary

WRITTEN = 3  # fills of the stretch that are looked for
AT_ONCE = 160  # tokens that are scored in one pass: their logits take 0.6 MB each


class FimPatcher:
    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer, versions: TwoVersions, markers: Markers) -> None:
        self._denoiser, self._tokenizer = denoiser, tokenizer
        self._versions, self._markers = versions, markers

    def patch(
        self, patch: Patch, check: Callable[[], None], on_frame: Callable[[Frame], None], seconds: float
    ) -> Patched:
        """See `patcher.Patcher.patch`."""
        return in_time(partial(self._revisions, patch), RequestTrace(check, on_frame, seconds))

    def _revisions(self, patch: Patch, trace: RequestTrace) -> tuple[Revision, ...]:
        """Raises OutOfTime where not even the text as it is was scored."""
        seconds, candidates = trace.seconds, patch.candidates[:CANDIDATES]
        present = Before(patch.texts[0], patch.snippets)
        text = self._versions.text(present)
        suffix = self._tokenizer.encode(patch.texts[-1][:SUFFIX_CHARACTERS])[: layout.SUFFIX_TOKENS]
        holes = tuple(hole.text for hole in patch.holes)
        with trace.stage("prefill"):
            kept = self._prefill(self._versions.present, text, suffix, trace)
        trace.seconds = DENOISING * seconds
        written: list[Texts] = []
        with trace.stage("denoise"), suppress(OutOfTime):
            written = self._written(patch, holes, text[len(kept) :], suffix, trace)
        trace.seconds = seconds
        tried = list(dict.fromkeys([holes, *candidates, *written]))
        with trace.stage("rerank"):
            scores = self._scores(self._versions.present, patch, text[len(kept) :], tried, trace)
            old_scores = self._old_scores(patch, present, tried, suffix, trace) or scores
        return ranked(tried, scores, old_scores, candidates)

    def _prefill(self, context: KvContext, text: str, suffix: Sequence[int], trace: RequestTrace) -> str:
        """What is left of a text when its healing prefix is taken off, which the context then holds, and the suffix."""
        kept = text[: token_healing.healing_start(text, self._tokenizer)]
        read = layout.read(kept, layout.split(kept), suffix, self._markers, self._tokenizer)
        self._versions.prefill(context, read, trace.check)
        return kept

    def _written(
        self, patch: Patch, holes: Texts, healing_prefix: str, suffix: Sequence[int], trace: RequestTrace
    ) -> list[Texts]:
        """What the holes hold in stretches that were written anew, with the text as it is as a draft."""
        context, end = self._versions.present, self._denoiser.config.end_of_hole_token_id
        boundary = Boundary("", "", healing_prefix.encode("utf-8", "replace"), False)
        now = self._tokenizer.encode(joined([healing_prefix, *patch.texts[1:-1]], holes))
        length = self._denoiser.config.canvas_length(len(now) + patch.length_slack * len(holes))
        if len(now) >= length:
            return []  # no canvas holds it
        first = Hypothesis(length, boundary, self._tokenizer, 0, end)
        lookup = PromptLookup([suffix, context.ids, [*context.ids[-3:], *now]])
        drafter = Drafter(context.ids, lookup, end, self._denoiser.can_propose)
        beam = Beam(first, [end], Search(WRITTEN, WRITTEN, best_first=False))
        fills = decode(self._denoiser, context, beam, drafter, trace.count, trace.step)
        return [texts for fill in fills if fill.ended and (texts := pinned(boundary.answer(fill.spelled), patch))]

    def _old_scores(
        self, patch: Patch, present: Before, tried: Sequence[Texts], suffix: Sequence[int], trace: RequestTrace
    ) -> list[float | None]:
        """The same as it was before the edit; none where the patch does not know that."""
        if patch.old_start is None:
            return []
        text = self._versions.old_text(Before(patch.old_start, patch.old_snippets), present)
        kept = self._prefill(self._versions.old, text, suffix, trace)
        return self._scores(self._versions.old, patch, text[len(kept) :], tried, trace)

    def _scores(
        self, context: KvContext, patch: Patch, healing_prefix: str, tried: Sequence[Texts], trace: RequestTrace
    ) -> list[float | None]:
        """log p(stretch and its end | both sides) per filling; None for one that is too long, or that there was no
        time for."""
        between = [healing_prefix, *patch.texts[1:-1]]
        end = self._denoiser.config.end_of_hole_token_id
        whole = [[*self._tokenizer.encode(joined(between, texts)), end] for texts in tried]
        scores: list[float | None] = [None] * len(tried)
        for some in _groups([len(ids) for ids in whole]):
            try:
                trace.count()
            except OutOfTime:
                break
            found = self._denoiser.score(context, DraftTree([whole[at][:-1] for at in some]))
            for at, rows in zip(some, found, strict=True):
                scores[at] = sum(float(row[token]) for row, token in zip(rows, whole[at], strict=True))
        return scores


def _groups(sizes: Sequence[int]) -> list[list[int]]:
    """Which of texts of these sizes are scored in one pass; none that is longer than all of it."""
    groups: list[list[int]] = [[]]
    for at, size in enumerate(sizes):
        if size > AT_ONCE:
            continue
        if sum(sizes[other] for other in groups[-1]) + size > AT_ONCE:
            groups.append([])
        groups[-1].append(at)
    return [group for group in groups if group]


def pinned(text: str, patch: Patch) -> Texts | None:
    """What stands in the holes of a stretch, the shortest texts first; None where it does not hold what is pinned."""
    found = re.fullmatch("(.*?)".join(["", *map(re.escape, patch.texts[1:-1]), ""]), text, re.DOTALL)
    return None if found is None else tuple(found.groups())
