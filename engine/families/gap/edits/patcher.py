"""Patches with the gap family: the holes of a place are denoised together in one canvas, and the base scores the whole
of it against the text as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from lacuna.engine.api import Frame, Patch, Patched, Revision
from lacuna.engine.families.gap.decoding.rerank import HEAD_TOKENS, Reranker
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.patch_decode import denoise
from lacuna.engine.families.gap.edits.patch_hypothesis import PatchHypothesis
from lacuna.engine.families.gap.edits.two_versions import Before, TwoVersions
from lacuna.engine.families.gap.kv_context import PREFIX_TOKENS, SUFFIX_TOKENS, TAIL_TOKENS, KvContext
from lacuna.engine.families.shared import patch_layout
from lacuna.engine.families.shared.patch_layout import Segments
from lacuna.engine.families.shared.patch_ranking import ranked
from lacuna.engine.request_trace import OutOfTime, RequestTrace
from lacuna.engine.text import token_healing
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Spelling

SECONDS = 3.0  # for one patch: in repetitive text every token takes a step, and canvases are full
DENOISING = 0.7  # of that at most, so that there is time to score what was decided
CANDIDATES = 8  # of a patch that are scored
SUFFIX_CHARACTERS = 1024  # more than the suffix' tokens ever need

Texts = tuple[str, ...]  # one per hole


class Patcher:
    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer, versions: TwoVersions) -> None:
        self._denoiser = denoiser
        self._tokenizer = tokenizer
        self._versions = versions
        self._spelling = Spelling(tokenizer)

    def patch(
        self, patch: Patch, check: Callable[[], None], on_frame: Callable[[Frame], None], seconds: float
    ) -> Patched:
        """Fillings of all holes, by the reranker's score, the best first.

        Where first to last hole take more tokens than the longest canvas, only the patch's candidates are scored. After
        `seconds` it comes back with what was decided and scored until then, which may be nothing. `check` runs
        between all pieces of work and may raise.
        """
        return in_time(partial(self._revisions, patch), RequestTrace(check, on_frame, seconds))

    def _revisions(self, patch: Patch, trace: RequestTrace) -> tuple[Revision, ...]:
        """The candidates are scored first, so that they are there when denoising takes all the time. Raises OutOfTime
        where not even they were scored."""
        seconds, candidates = trace.seconds, patch.candidates[:CANDIDATES]
        present = Before(patch.texts[0], patch.snippets)
        texts = [self._versions.text(present), *patch.texts[1:]]
        kept = [self._kept(text) for text in texts[:-1]]
        suffix = self._tokenizer.encode(texts[-1][:SUFFIX_CHARACTERS])[:SUFFIX_TOKENS]
        holes = tuple(hole.text for hole in patch.holes)
        with trace.stage("prefill"):
            self._prefill(kept[0], suffix, trace)

        def scored(some: Sequence[Texts]) -> tuple[list[float | None], list[float | None]]:
            fills = [joined([texts[0][len(kept[0]) :], *texts[1:-1]], filling) for filling in some]
            with trace.stage("rerank"):
                scores = self._scores(self._versions.present, fills, suffix, trace)
                return scores, self._old_scores(patch, present, some, suffix, trace) or scores

        tried = list(dict.fromkeys([holes, *candidates]))
        scores, old_scores = scored(tried)
        trace.seconds = DENOISING * seconds
        segments = self._segments(kept, texts, holes)
        hypotheses = self._hypotheses(holes, segments, patch.length_slack)
        with trace.stage("denoise"), suppress(OutOfTime):
            self._denoise(hypotheses, trace)
        trace.seconds = seconds
        decoded = [hypothesis.texts for hypothesis in hypotheses if hypothesis.finished]
        more = [filling for filling in dict.fromkeys(decoded) if filling not in tried]
        with suppress(OutOfTime):
            more_scores, more_old_scores = scored(more) if more else ([], [])
            tried, scores, old_scores = [*tried, *more], [*scores, *more_scores], [*old_scores, *more_old_scores]
        return ranked(tried, scores, old_scores, candidates)

    def _kept(self, text: str) -> str:
        """What is left of a text before a hole when its healing prefix is taken off."""
        return text[: token_healing.healing_start(text, self._tokenizer)]

    def _segments(self, kept: Sequence[str], texts: Sequence[str], holes: Sequence[str]) -> Segments:
        """`kept` is what is pinned left of each hole without the healing prefix, which the hole spells."""
        encode = self._tokenizer.encode
        healing_prefixes = [text[len(before) :] for text, before in zip(texts, kept, strict=False)]
        spelled = [healing_prefix.encode("utf-8", errors="replace") for healing_prefix in healing_prefixes]
        return Segments(
            tuple(spelled),
            tuple(tuple(encode(before)) for before in kept[1:]),
            tuple(
                len(encode(healing_prefix + hole)) for healing_prefix, hole in zip(healing_prefixes, holes, strict=True)
            ),
            tuple(map(self._spelling.least, spelled)),
        )

    def _prefill(self, prefix: str, suffix: list[int], trace: RequestTrace) -> None:
        context = self._versions.present
        self._versions.prefill(context, self._tokenizer.encode(prefix), trace.check)
        trace.check()
        context.place_suffix(self._denoiser.suffixes.prefill(suffix), self._denoiser.config.suffix_distance)

    def _hypotheses(self, holes: Sequence[str], segments: Segments, length_slack: int) -> list[PatchHypothesis]:
        """A hypothesis for each choice of lengths, all on canvases of one length."""
        room = self._denoiser.config.canvas_lengths[-1] - 1  # the last position shows that the last hole has ended
        layouts = [segments.lay_out(lengths) for lengths in patch_layout.lengths(holes, segments, length_slack, room)]
        if not layouts:
            return []
        length = self._denoiser.config.canvas_length(max(layout.length for layout in layouts))
        end = self._denoiser.config.end_of_hole_token_id
        return [PatchHypothesis(layout, length, self._tokenizer, self._spelling, end) for layout in layouts]

    def _denoise(self, hypotheses: Sequence[PatchHypothesis], trace: RequestTrace) -> None:
        """As many at once as the scratch slots hold. Raises OutOfTime; some are finished then."""
        at_once = TAIL_TOKENS // (len(hypotheses[0].canvas) + 1) if hypotheses else 1
        for first in range(0, len(hypotheses), at_once):
            some = hypotheses[first : first + at_once]
            for frame in denoise(self._denoiser, self._versions.present, some, trace.count):
                trace.step(frame)

    def _old_scores(
        self, patch: Patch, present: Before, tried: Sequence[Texts], suffix: list[int], trace: RequestTrace
    ) -> list[float | None]:
        """The reranker's S as it was before the edit; none where the patch does not know that."""
        if patch.old_start is None:
            return []
        text = self._versions.old_text(Before(patch.old_start, patch.old_snippets), present)
        kept = self._kept(text)
        ids = self._tokenizer.encode(kept)[-PREFIX_TOKENS + 1 :]
        self._versions.prefill(self._versions.old, ids, trace.check)
        fills = [joined([text[len(kept) :], *patch.texts[1:-1]], filling) for filling in tried]
        return self._scores(self._versions.old, fills, suffix, trace)

    def _scores(
        self, context: KvContext, fills: Sequence[str], suffix: list[int], trace: RequestTrace
    ) -> list[float | None]:
        """The reranker's S per fill; None for one that is longer than the cache's tail, or that there was no time
        for."""
        scores: list[float | None] = [None] * len(fills)
        sizes = [len(self._tokenizer.encode(fill)) + HEAD_TOKENS for fill in fills]
        waiting = [at for at, size in enumerate(sizes) if size <= TAIL_TOKENS]
        reranker = Reranker(self._denoiser, context, suffix, self._tokenizer)
        while waiting:
            count = next(n for n in range(len(waiting), 0, -1) if sum(sizes[at] for at in waiting[:n]) <= TAIL_TOKENS)
            some, waiting = waiting[:count], waiting[count:]
            spelled = [fills[at].encode("utf-8", "replace") for at in some]
            try:
                trace.count()
            except OutOfTime:
                break
            for at, score in zip(some, reranker.scores(spelled), strict=True):
                scores[at] = score
        return scores


def in_time(revisions: Callable[[RequestTrace], tuple[Revision, ...]], trace: RequestTrace) -> Patched:
    """What was found until the request's time was up."""
    try:
        found = revisions(trace)
    except OutOfTime:
        found = ()
    return Patched(found, trace.steps, trace.forwards, trace.timings)


def joined(between: Sequence[str], texts: Texts) -> str:
    return "".join(pinned + text for pinned, text in zip(between, texts, strict=True))
