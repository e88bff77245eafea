"""A session: one open document's contexts, and the way of a gap through reading and denoising."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine import seams
from engine.context import Context
from engine.copies import Copies
from engine.drafting import Drafter
from engine.endings import judged
from engine.gap import Features, Frame, Gap, Infill
from engine.gate import Place
from engine.judge import Judge
from engine.lane import Lane
from engine.models.gap import GapDenoiser
from engine.sampler import Search, denoise
from engine.seams import Seam
from engine.tokenizer import Tokenizer
from engine.window import Window
from engine.work import Work

CONTEXTS = 3  # per document: where the cursor is, and where it was before
LANES = 7  # of a gap, at most: the cache's tail has room for so many of 32 tokens and their drafts
WORTH_KEEPING = 64  # tokens that a jump would throw away and that are kept in another context instead


@dataclass(frozen=True)
class Hole:
    """A gap whose two sides are read."""

    gap: Gap
    seam: Seam
    prefix: list[int]  # tokens, of what is left by the seam
    suffix: list[int]
    context: Context


@dataclass(frozen=True)
class Part:
    """What one canvas added to a fill."""

    lane: Lane
    seam: Seam


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

        `check` runs between all pieces of work and may raise; what was read until then stays read.
        """
        work = Work(check, on_frame)
        with work.stage("encode"):
            hole = self.read(gap, work.check)
        length = self._denoiser.config.canvas_length(gap.max_tokens + self._respelled(hole.seam))
        parts = self._fill(hole, self._lane(gap, hole.seam, length), drafts, parallel, work)
        fills = [self._longer(hole, [part], parallel, work) if rank == 0 else [part] for rank, part in enumerate(parts)]
        infills = [self._infill(gap, fill, work) for fill in fills]
        return _distinct(infills)

    def read(self, gap: Gap, check: Callable[[], None]) -> Hole:
        """Reads both sides of a gap; what was read for the one before stays read."""
        text = self._window.cut(gap.prefix, gap.snippets)
        seam, prefix = seams.normalise(text, gap.suffix, self._tokenizer)
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
        search = Search(hole.gap.choices, min(2 * drafts - 1, LANES) if short else drafts, short)
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
        """Canvas after canvas while the hole is open and more is asked for than one holds: what was filled enters the
        prefix."""
        gap, context = hole.gap, hole.context
        wanted = gap.max_tokens + self._respelled(hole.seam)
        while not parts[-1].lane.ended and (missing := wanted - _tokens(parts)) > 0:
            spelled = b"".join(part.lane.spelled for part in parts)
            # A stub of many tokens, a line of Chinese, may take more than one canvas.
            behind = replace(hole, seam=replace(hole.seam, stub=hole.seam.required[len(spelled) :], newline=False))
            with work.stage("encode"):
                context.read_prefix([*context.ids[1:], *parts[-1].lane.tokens], work.check)
                context.read_suffix(self._denoiser.suffixes.read(hole.suffix), self._denoiser.config.suffix_distance)
            lines = sum(part.lane.spelled[len(part.seam.required) :].count(b"\n") for part in parts)
            lane = self._lane(gap, behind.seam, self._denoiser.config.canvas_length(missing), lines=lines)
            parts = [*parts, *self._fill(behind, lane, 1, parallel, work)]
            if not parts[-1].lane.tokens:
                break
        return parts

    def _infill(self, gap: Gap, parts: list[Part], work: Work) -> Infill:
        pieces = self._pieces(gap, parts)
        logs = [value for part in parts for value in part.lane.log_probabilities]
        features = Features(
            mean=sum(logs) / len(logs),
            least=min(logs),
            score=sum(part.lane.score for part in parts),
            score_empty=parts[0].lane.empty_score,
            tokens=_tokens(parts),
            ended=parts[-1].lane.ended,
        )
        text = "".join(text for text, _ in pieces)
        sure = self._denoiser.config.gate.confidence(features, Place.of(gap))
        return Infill(text, sure, work.steps, work.forwards, features, tuple(pieces), dict(work.timings))

    def _pieces(self, gap: Gap, parts: list[Part]) -> list[tuple[str, float]]:
        """The answer's text per token; what spells the stub, or stands after the cut, is left out."""
        seam = parts[0].seam
        skip = len(seam.required)
        pieces: list[tuple[str, float]] = []
        decoder = codecs.getincrementaldecoder("utf-8")("ignore")  # a canvas' edge may cut a character
        for part in parts:
            room = len(part.lane.spelled)
            for token, value in zip(part.lane.tokens, part.lane.log_probabilities, strict=False):
                spelled = self._tokenizer.decode([token])[:room]
                room -= len(spelled)
                piece, skip = decoder.decode(spelled[skip:]), max(0, skip - len(spelled))
                if piece and len(pieces) < gap.max_tokens:
                    pieces.append((piece, value))
        return [*pieces, ("\n", 0.0)] if seam.newline and pieces else pieces


def _distinct(infills: Sequence[Infill]) -> list[Infill]:
    """The first of each text, in order."""
    found: dict[str, Infill] = {}
    for infill in infills:
        found.setdefault(infill.text, infill)
    return list(found.values())


def _tokens(parts: Sequence[Part]) -> int:
    return sum(len(part.lane.tokens) for part in parts)
