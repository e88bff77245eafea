"""A session: one open document's contexts, and the way of a gap through reading and denoising."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lacuna.engine.api import Frame, Gap, Infill
from lacuna.engine.families.gap import long_fill
from lacuna.engine.families.gap.confidence import Place
from lacuna.engine.families.gap.decoding.decode_loop import Search, denoise
from lacuna.engine.families.gap.decoding.drafter import Drafter
from lacuna.engine.families.gap.decoding.endings import judged
from lacuna.engine.families.gap.decoding.hypothesis import Lane
from lacuna.engine.families.gap.decoding.prompt_lookup import Copies
from lacuna.engine.families.gap.decoding.rerank import Judge
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.kv_context import PREFIX_TOKENS, TAIL_TOKENS, Context
from lacuna.engine.families.gap.long_fill import Part
from lacuna.engine.families.gap.prefix_window import Window
from lacuna.engine.request_trace import Work
from lacuna.engine.text import token_healing
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Seam

CONTEXTS = 3  # per document: where the cursor is, and where it was before
LANES = 7  # of a gap, at most
DRAFTED = 22  # tokens of a lane's drafts, of the noise behind them and of what is scored beside them in one pass
WORTH_KEEPING = 64  # tokens that a jump would throw away and that are kept in another context instead


@dataclass(frozen=True)
class Hole:
    """A gap whose two sides are read."""

    gap: Gap
    seam: Seam
    prefix: list[int]  # tokens, of what is left by the seam
    suffix: list[int]
    context: Context


class Session:
    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer) -> None:
        self._denoiser = denoiser
        self._tokenizer = tokenizer
        self._window = Window(tokenizer)
        self._contexts: list[Context] = []  # the latest used one last

    def infill(
        self,
        gap: Gap,
        drafts: int,
        check: Callable[[], None],
        on_frame: Callable[[Frame], None] = lambda frame: None,
        parallel: bool = True,
    ) -> list[Infill]:
        """Fills for a gap, the best first and at least one; of a line `2 * drafts - 1` ways are followed at most.

        The best may have been stopped by `max_tokens`: then its features say that it has not ended. Others that were
        stopped are cut to their whole lines, or left out. Frames show the best. `check` runs between all pieces of work
        and may raise; what was read until then stays read.
        """
        work = Work(check, on_frame)
        with work.stage("encode"):
            hole = self.read(gap, work.check)
        length = self._denoiser.config.canvas_length(gap.max_tokens + self._respelled(hole.seam))
        best, *others = self._fill(hole, self._lane(gap, hole.seam, length), drafts, parallel, work)
        fills = [self._longer(hole, [best], parallel, work)]
        work.on_frame = lambda frame: None
        for rank, other in enumerate(others, 1):
            fill = self._longer(hole, [other], parallel, work) if rank < gap.choices else [other]
            if whole := long_fill.whole_lines(fill, self._tokenizer):
                fills.append(whole)
        return _distinct([self._infill(gap, fill, work) for fill in fills])

    def read(self, gap: Gap, check: Callable[[], None]) -> Hole:
        """Reads both sides of a gap; what was read for the one before stays read."""
        text = self._window.cut(gap.prefix, gap.snippets)
        seam, prefix = token_healing.normalise(text, gap.suffix, self._tokenizer)
        suffix = self._tokenizer.encode(seam.suffix)
        context = self._context(prefix)
        context.read_prefix(prefix, check)
        check()
        context.read_suffix(self._denoiser.suffixes.read(suffix), self._denoiser.config.suffix_distance)
        return Hole(gap, seam, prefix, suffix, context)

    def _context(self, prefix: Sequence[int]) -> Context:
        """The context that has read most of this prefix; another one where it would lose much that may be wanted
        again."""
        best = max(self._contexts, key=lambda context: context.shared(prefix), default=None)
        if best is None or best.shared(prefix) < len(best.ids) - WORTH_KEEPING:
            source = best
            best = self._denoiser.context() if len(self._contexts) < CONTEXTS else self._contexts[0]
            if source is not None and source is not best:
                # The last token is read anew, for its logits.
                best.copy(source, min(source.shared(prefix), len(prefix)))
        self._contexts = [*(context for context in self._contexts if context is not best), best]
        return best

    def _lane(self, gap: Gap, seam: Seam, length: int, lines: int = 0) -> Lane:
        remaining = gap.max_lines - lines if gap.max_lines else 0
        end = self._denoiser.config.end_of_hole_token_id
        return Lane(length, seam, self._tokenizer, remaining, end)

    def _respelled(self, seam: Seam) -> int:
        """How many tokens of a fill say again what stands in the file."""
        return len(self._tokenizer.encode(seam.required.decode("utf-8", "ignore")))

    def _drafter(self, hole: Hole) -> Drafter:
        snippets = [self._tokenizer.encode(snippet) for snippet in hole.gap.snippets]
        before = hole.context.ids[1:]
        return Drafter(before, Copies([*snippets, hole.suffix, before]), self._denoiser.config.end_of_hole_token_id)

    def _fill(self, hole: Hole, first: Lane, drafts: int, parallel: bool, work: Work) -> list[Part]:
        """Denoises; the best first."""
        lanes, short = [first], hole.gap.max_lines == 1
        room = TAIL_TOKENS // (len(first.canvas) + DRAFTED)  # lanes that the cache's tail holds
        search = Search(hole.gap.choices, min(2 * drafts - 1 if short else drafts, LANES, room), short)
        with work.stage("denoise"):
            drafter = self._drafter(hole) if parallel else None
            for frame in denoise(self._denoiser, hole.context, lanes, search, drafter, work.count):
                work.steps += 1
                work.on_frame(frame)
        if hole.seam.suffix.partition("\n")[0].strip():
            with work.stage("judge"):
                work.count()
                lanes = judged(lanes, Judge(self._denoiser, hole.context, hole.suffix, self._tokenizer))
        return [Part(lane, hole.seam) for lane in lanes[: max(drafts, hole.gap.choices)]]

    def _longer(self, hole: Hole, parts: list[Part], parallel: bool, work: Work) -> list[Part]:
        """One fill, canvas after canvas while the hole is open and more is asked for than it holds: what was filled
        enters the prefix."""
        wanted = hole.gap.max_tokens + self._respelled(hole.seam)
        while parts[-1].tokens and not parts[-1].ended:
            tokens = long_fill.tokens(parts)
            if len(tokens) >= wanted or len(hole.prefix) + len(tokens) >= PREFIX_TOKENS:
                break
            behind = self._behind(hole, parts, work)
            length = self._denoiser.config.canvas_length(wanted - len(tokens))
            lane = self._lane(hole.gap, behind.seam, length, long_fill.lines(parts))
            parts = [*parts, *self._fill(behind, lane, 1, parallel, work)]
        return parts

    def _behind(self, hole: Hole, parts: Sequence[Part], work: Work) -> Hole:
        """What is left of a hole behind its first parts, both sides read; of it there is one fill."""
        prefix = [*hole.prefix, *long_fill.tokens(parts)]
        with work.stage("encode"):
            hole.context.read_prefix(prefix, work.check)
            hole.context.read_suffix(self._denoiser.suffixes.read(hole.suffix), self._denoiser.config.suffix_distance)
        # A stub of many tokens, a line of Chinese, may take more than one canvas.
        unspelled = hole.seam.required[len(long_fill.spelled(parts)) :]
        seam = replace(hole.seam, stub=unspelled, newline=False)
        return replace(hole, gap=replace(hole.gap, choices=1), seam=seam, prefix=prefix)

    def _infill(self, gap: Gap, parts: list[Part], work: Work) -> Infill:
        pieces = long_fill.pieces(parts, gap.max_tokens, self._tokenizer)
        features = long_fill.features(parts)
        text = "".join(text for text, _ in pieces)
        sure = self._denoiser.config.gate.confidence(features, Place.of(gap))
        return Infill(text, sure, work.steps, work.forwards, features, tuple(pieces), dict(work.timings))


def _distinct(infills: Sequence[Infill]) -> list[Infill]:
    """The first of each text, in order."""
    found: dict[str, Infill] = {}
    for infill in infills:
        found.setdefault(infill.text, infill)
    return list(found.values())
