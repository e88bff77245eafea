"""A session: the KV caches of one open document, and the way of a gap through prefill, decoding and rerank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lacuna.engine.api import Fits, Frame, Gap, Infill, anything
from lacuna.engine.families.gap import long_fill
from lacuna.engine.families.gap.confidence import Place
from lacuna.engine.families.gap.decoding.decode_loop import decode
from lacuna.engine.families.gap.decoding.drafter import Drafter
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.prompt_lookup import PromptLookup
from lacuna.engine.families.gap.decoding.rerank import Reranker, reranked
from lacuna.engine.families.gap.decoding.search import Beam, Search
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.fim.layout import FimLayout
from lacuna.engine.families.gap.kv_context import TAIL_TOKENS, KvContext
from lacuna.engine.families.gap.long_fill import Part
from lacuna.engine.families.gap.prompt import Layout, Prompt, TwoReads
from lacuna.engine.request_trace import RequestTrace
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Boundary

CONTEXTS = 3  # per document: where the cursor is, and where it was before
HYPOTHESES = 7  # of a gap, at most
ROWS = 22  # that a hypothesis takes in one pass: its draft tokens, the masked positions and the empty fill
LEAST_END = 0.5  # in the FIM layout: a fill ends where that is likelier than that it goes on
WORTH_KEEPING = 64  # tokens of KV that are not overwritten: another context takes the new prefix instead


@dataclass(frozen=True)
class Hole:
    """A gap whose two sides are prefilled."""

    gap: Gap
    prompt: Prompt
    context: KvContext

    @property
    def boundary(self) -> Boundary:
        return self.prompt.boundary


class Session:
    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer) -> None:
        self._denoiser = denoiser
        self._tokenizer = tokenizer
        markers = denoiser.config.markers
        self._is_fim = markers is not None
        self._layout: Layout = TwoReads(tokenizer) if markers is None else FimLayout(tokenizer, markers)
        self._contexts: list[KvContext] = []  # the latest used one last

    def infill(
        self,
        gap: Gap,
        num_candidates: int,
        check: Callable[[], None],
        on_frame: Callable[[Frame], None] = lambda frame: None,
        parallel: bool = True,
        fits: Fits = anything,
    ) -> list[Infill]:
        """Fills for a gap, the best first and at least one; of a line `2 * num_candidates - 1` hypotheses are
        decoded at most.

        The best may have been stopped by `max_tokens`: then its features say that it has not ended. Others that were
        stopped are cut to their whole lines, or left out. Frames show the best. `check` runs between all pieces of work
        and may raise; what was prefilled until then is kept.
        """
        trace = RequestTrace(check, on_frame)
        with trace.stage("prefill"):
            hole = self.prefill(gap, trace.check)
        length = self._denoiser.config.canvas_length(gap.max_tokens + self._respelled(hole.boundary))
        first = self._hypothesis(gap, hole.boundary, length)
        best, *others = self._fill(hole, first, num_candidates, parallel, trace, fits)
        fills = [self._longer(hole, [best], parallel, trace)]
        trace.on_frame = lambda frame: None
        for rank, other in enumerate(others, 1):
            fill = self._longer(hole, [other], parallel, trace) if rank < gap.n_best else [other]
            if whole := long_fill.whole_lines(fill, self._tokenizer):
                fills.append(whole)
        return _distinct([self._infill(gap, fill, trace) for fill in fills])

    def prefill(self, gap: Gap, check: Callable[[], None]) -> Hole:
        """Prefills both sides of a gap, but for what the KV cache holds of them already."""
        prompt = self._layout.prompt(gap)
        context = self._context(prompt.read)
        context.prefill_prefix(prompt.read, check)
        check()
        self._denoiser.place_suffix(context, prompt.suffix)
        return Hole(gap, prompt, context)

    def _context(self, prefix: Sequence[int]) -> KvContext:
        """The context that holds most of this prefix; another one where it would lose much that may be wanted
        again."""
        best = max(self._contexts, key=lambda context: context.cached(prefix), default=None)
        if best is None or best.cached(prefix) < len(best.ids) - WORTH_KEEPING:
            source = best
            best = self._denoiser.context() if len(self._contexts) < CONTEXTS else self._contexts[0]
            if source is not None and source is not best:
                # The last token is computed again, for its logits.
                best.copy_from(source, min(source.cached(prefix), len(prefix)))
        self._contexts = [*(context for context in self._contexts if context is not best), best]
        return best

    def _hypothesis(self, gap: Gap, boundary: Boundary, length: int, lines: int = 0) -> Hypothesis:
        remaining = gap.max_lines - lines if gap.max_lines else 0
        end = self._denoiser.config.end_of_hole_token_id
        return Hypothesis(length, boundary, self._tokenizer, remaining, end)

    def _respelled(self, boundary: Boundary) -> int:
        """How many tokens of a fill respell what stands in the file."""
        return len(self._tokenizer.encode(boundary.forced.decode("utf-8", "ignore")))

    def _drafter(self, hole: Hole) -> Drafter:
        snippets = [self._tokenizer.encode(snippet.text) for snippet in hole.gap.snippets]
        before = hole.context.ids[1:]
        lookup = PromptLookup([*snippets, hole.prompt.suffix, before])
        return Drafter(before, lookup, self._denoiser.config.end_of_hole_token_id, self._denoiser.can_propose)

    def _fill(
        self,
        hole: Hole,
        first: Hypothesis,
        num_candidates: int,
        parallel: bool,
        trace: RequestTrace,
        fits: Fits = anything,
    ) -> list[Part]:
        """Decodes one canvas, and reranks where the line goes on behind the hole; the best first."""
        is_line = hole.gap.max_lines == 1
        room = TAIL_TOKENS // (len(first.canvas) + ROWS)  # hypotheses that the scratch slots hold
        width = min(2 * num_candidates - 1 if is_line else num_candidates, HYPOTHESES, room)
        search = Search(hole.gap.n_best, width, is_line, LEAST_END if self._is_fim else 0.0)
        with trace.stage("denoise"):
            drafter = self._drafter(hole) if parallel else None
            ends = self._end_tokens(hole)
            beam = Beam(first, ends, search, lambda spelled: fits(hole.boundary.answer(spelled)))
            hypotheses = decode(self._denoiser, hole.context, beam, drafter, trace.count, trace.step)
        # In the FIM layout every score has seen the suffix.
        if not self._is_fim and hole.boundary.suffix.partition("\n")[0].strip():
            with trace.stage("rerank"):
                hypotheses = self._reranked(hypotheses, hole, trace)
        return [Part(hypothesis, hole.boundary) for hypothesis in hypotheses[: max(num_candidates, hole.gap.n_best)]]

    def _end_tokens(self, hole: Hole) -> list[int]:
        """After which a fill may be cut: the end, and the suffix' first token, where the reranker then says which cut
        is right. In the FIM layout nobody does, and a fill would be cut at its own brackets."""
        end = self._denoiser.config.end_of_hole_token_id
        return [end] if self._is_fim else [end, *hole.prompt.suffix[:1]]

    def _reranked(self, hypotheses: Sequence[Hypothesis], hole: Hole, trace: RequestTrace) -> list[Hypothesis]:
        trace.count()
        suffix = hole.prompt.suffix
        return reranked(hypotheses, Reranker(self._denoiser, hole.context, suffix, self._tokenizer))

    def _longer(self, hole: Hole, parts: list[Part], parallel: bool, trace: RequestTrace) -> list[Part]:
        """One fill, canvas after canvas while the hole is open and more is asked for than it holds: what was filled
        enters the prefix."""
        wanted = hole.gap.max_tokens + self._respelled(hole.boundary)
        while parts[-1].tokens and not parts[-1].ended:
            tokens = long_fill.tokens(parts)
            if len(tokens) >= wanted or len(hole.prompt.read) + len(tokens) >= self._denoiser.config.prefix_tokens:
                break
            behind = self._behind(hole, parts, trace)
            length = self._denoiser.config.canvas_length(wanted - len(tokens))
            hypothesis = self._hypothesis(hole.gap, behind.boundary, length, long_fill.lines(parts))
            parts = [*parts, *self._fill(behind, hypothesis, 1, parallel, trace)]
        return parts

    def _behind(self, hole: Hole, parts: Sequence[Part], trace: RequestTrace) -> Hole:
        """What is left of a hole behind its first parts, both sides prefilled; of it there is one fill."""
        read = [*hole.prompt.read, *long_fill.tokens(parts)]
        with trace.stage("prefill"):
            hole.context.prefill_prefix(read, trace.check)
            self._denoiser.place_suffix(hole.context, hole.prompt.suffix)
        # A healing prefix of many tokens, a line of Chinese, may take more than one canvas.
        unspelled = hole.boundary.forced[len(long_fill.spelled(parts)) :]
        boundary = replace(hole.boundary, healing_prefix=unspelled, newline=False)
        prompt = Prompt(boundary, read, hole.prompt.suffix)
        return replace(hole, gap=replace(hole.gap, n_best=1), prompt=prompt)

    def _infill(self, gap: Gap, parts: list[Part], trace: RequestTrace) -> Infill:
        pieces = long_fill.pieces(parts, gap.max_tokens, self._tokenizer)
        features = long_fill.features(parts)
        text = "".join(text for text, _ in pieces)
        confidence = self._denoiser.config.gate.confidence(features, Place.of(gap))
        return Infill(text, confidence, trace.steps, trace.forwards, features, tuple(pieces), dict(trace.timings))


def _distinct(infills: Sequence[Infill]) -> list[Infill]:
    """The first of each text, in order."""
    found: dict[str, Infill] = {}
    for infill in infills:
        found.setdefault(infill.text, infill)
    return list(found.values())
