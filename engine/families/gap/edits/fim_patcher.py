"""Patches in the FIM layout: the decoder scores the candidates against the text as it is. Nothing else is looked for:
of 175 fillings that nothing but the model spoke for none was right (docs/LOG.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from lacuna.engine.api import Frame, Patch, Patched, Revision
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.patcher import CANDIDATES, SUFFIX_CHARACTERS, Texts, in_time, joined
from lacuna.engine.families.gap.edits.two_versions import Before, TwoVersions
from lacuna.engine.families.gap.fim import layout
from lacuna.engine.families.gap.fim.templates import Markers
from lacuna.engine.families.gap.kv_context import KvContext
from lacuna.engine.families.shared.patch_ranking import ranked
from lacuna.engine.request_trace import OutOfTime, RequestTrace
from lacuna.engine.text import token_healing
from lacuna.engine.text.byte_bpe import Tokenizer

# The split is where a place's first line begins: what stands above it is read for its neighbours too.
LINES_ABOVE = 0
SUFFIX_TOKENS = 32
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
        """Raises OutOfTime where there was no time to read both versions."""
        candidates, holes = patch.candidates[:CANDIDATES], tuple(hole.text for hole in patch.holes)
        tried = list(dict.fromkeys([holes, *candidates]))
        return ranked(tried, *self._both_scores(patch, tried, trace), candidates)

    def _both_scores(
        self, patch: Patch, tried: Sequence[Texts], trace: RequestTrace
    ) -> tuple[list[float | None], list[float | None]]:
        """Per filling as it is now, and as it was before the edit; the same twice where the patch does not know
        that."""
        present = Before(patch.texts[0], patch.snippets)
        suffix = self._tokenizer.encode(patch.texts[-1][:SUFFIX_CHARACTERS])[:SUFFIX_TOKENS]
        scores = self._scores(self._versions.present, self._versions.text(present), suffix, patch, tried, trace)
        if patch.old_start is None:
            return scores, scores
        old = self._versions.old_text(Before(patch.old_start, patch.old_snippets), present)
        return scores, self._scores(self._versions.old, old, suffix, patch, tried, trace)

    def _prefill(self, context: KvContext, text: str, suffix: Sequence[int], trace: RequestTrace) -> str:
        """The healing prefix of a text; the context then holds what is left of it, and the suffix."""
        kept = text[: token_healing.healing_start(text, self._tokenizer)]
        read = layout.read(kept, layout.split(kept, LINES_ABOVE), suffix, self._markers, self._tokenizer)
        with trace.stage("prefill"):
            self._versions.prefill(context, read, trace.check)
        return text[len(kept) :]

    def _scores(
        self,
        context: KvContext,
        text: str,
        suffix: Sequence[int],
        patch: Patch,
        tried: Sequence[Texts],
        trace: RequestTrace,
    ) -> list[float | None]:
        """log p(stretch and its end | both sides) per filling; None for one that is too long, or that there was no
        time for. `text` stands left of the stretch."""
        between = [self._prefill(context, text, suffix, trace), *patch.texts[1:-1]]
        end = self._denoiser.config.end_of_hole_token_id
        whole = [[*self._tokenizer.encode(joined(between, texts)), end] for texts in tried]
        scores: list[float | None] = [None] * len(tried)
        with trace.stage("rerank"), suppress(OutOfTime):
            for some in _groups([len(ids) for ids in whole]):
                trace.count()
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
