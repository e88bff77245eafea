"""Infilling with DiffusionGemma: the gap's prefix stands in the model's turn, hole and suffix on the canvas."""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Event

import torch
from torch import Tensor

from lacuna.engine.api import (
    Features,
    Fits,
    Frame,
    Gap,
    Infill,
    Passage,
    Patch,
    Patched,
    RewriteRequest,
    Surprise,
    anything,
)
from lacuna.engine.families.diffusion_gemma.beginnings import Beginnings
from lacuna.engine.families.diffusion_gemma.block_diffusion import CanvasState, Pins, denoise
from lacuna.engine.families.diffusion_gemma.entropy_bound import IMPOSSIBLE, EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.infill_layout import Layout, best_lengths, lengths, near, rank
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.families.diffusion_gemma.patcher import Patcher
from lacuna.engine.families.diffusion_gemma.prompt import Prompt
from lacuna.engine.families.diffusion_gemma.question import EXTENT, Question, Questioner
from lacuna.engine.families.diffusion_gemma.rewriter import DiffusionGemmaRewriter
from lacuna.engine.families.diffusion_gemma.scorer import Scorer
from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer
from lacuna.engine.families.shared.checks import Checks
from lacuna.engine.families.shared.per_document import PerDocument
from lacuna.engine.request_trace import OutOfTime, RequestTrace

DENOISED_LENGTHS = 2  # lengths that are denoised to the end
SCORED_SUFFIX = 12  # tokens of the suffix that a fill is scored with
PROMPTS = 4  # documents whose prompts stay read; 8K tokens of the published model are 0.4 GB
VERSIONS = 2  # prompts of a document before and after an edit
BEST_ROUGH_LENGTHS = 2  # whose neighbours are tried
NEARER = 2  # times: between 12 and 16 to 14, and from there to 13 or 15
PATIENCE = 2  # times the steps of another length: a right one comes to rest soon, a wrong one often never does
CANVASES = 4  # lengths tried in one pass: enough that a GPU reads the experts once for all, few enough to stop soon
SEED = 0


@dataclass(frozen=True)
class _Fill:
    """A hole that was denoised, or given up."""

    tokens: list[int]
    probabilities: list[float]  # of these tokens, in the last step
    steps: int
    ended: bool  # by an end token or by the suffix, not by the canvas' edge


class DiffusionGemmaInfiller:
    """Fills gaps, one at a time: it is used from one thread."""

    extent = EXTENT

    def __init__(
        self, model: DiffusionGemma, tokenizer: GemmaTokenizer, config: EntropyBoundConfig, threads: int = 0
    ) -> None:
        """`threads`: at most so many; 0 on a GPU."""
        self._model = model
        self._tokenizer = tokenizer
        self._config = config
        self._questioner = Questioner(tokenizer, model.config.canvas_length)
        self._prompts = PerDocument(lambda: Prompt(self._model), PROMPTS)
        self._beginnings = Beginnings(tokenizer, model.config.vocab_size, model.device)
        present, old = Prompt(model), Prompt(model)
        self._patcher = Patcher(model, tokenizer, config, present, old)
        self._scorer = Scorer(model, tokenizer, present, old)
        self._rewriter = DiffusionGemmaRewriter(model, tokenizer, config)
        self._checks = Checks(threads)

    def infill(
        self,
        gap: Gap,
        *,
        document: str = "",
        num_candidates: int = DENOISED_LENGTHS,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        fits: Fits = anything,
    ) -> list[Infill]:
        """Hole lengths are scored after one step; the best are denoised to the end and reranked. Fills that do not fit
        come last."""
        trace = RequestTrace(self._checks.until(stop), on_frame)
        question = self._questioner.ask(gap)
        prompt = self._prompts.of(document)
        with trace.stage("prefill"):
            prompt.update(question.prompt, trace.count)
        with trace.stage("denoise"):
            layouts = self._layouts(prompt, question, gap, num_candidates, trace)
            fills = self._fills(prompt, question, layouts, trace)
        with trace.stage("rerank"):
            texts = [self._text(question, fill.tokens, gap) for fill in fills]
            *scores, empty = self._rerank(prompt, question, [*texts, ""], trace)
        ranked = rank(list(zip(texts, fills, strict=True)), scores)
        # A choice that the canvas' edge broke off is none; the best one says so itself.
        whole = [entry for at, entry in enumerate(ranked) if at == 0 or entry.fill[1].ended]
        whole.sort(key=lambda entry: not fits(entry.fill[0]))
        return [self._answer(question, *entry.fill, entry.score, empty, trace) for entry in whole]

    @torch.inference_mode()
    def prefill(self, gap: Gap, *, document: str = "", stop: Event | None = None) -> None:
        """The encoder's prompt; what stands behind a hole is on the canvas."""
        self._prompts.of(document).update(self._questioner.ask(gap).prompt, self._checks.until(stop))

    @property
    def launches(self) -> str:
        """Of the model's passes."""
        return self._model.launches

    def warm_ups(self) -> Sequence[Callable[[], None]]:
        """Of the model's captured passes."""
        return [] if self._model.captured is None else self._model.captured.warm_ups()

    def close(self, document: str) -> None:
        """Its prompt's KV cache is freed."""
        self._prompts.forget(document)

    def patch(
        self,
        patch: Patch,
        *,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        budget: float | None = None,
    ) -> Patched:
        """None where the budget was not enough for all of them."""
        try:
            return self._patcher.patch(patch, self._within(stop, budget), on_frame)
        except OutOfTime:
            return Patched((), 0, 0)

    def surprises(
        self, passage: Passage, *, stop: Event | None = None, budget: float | None = None
    ) -> tuple[Surprise, ...]:
        """By the encoder."""
        try:
            return self._scorer.surprises(passage, self._within(stop, budget))
        except OutOfTime:
            return ()

    def rewrite(
        self, request: RewriteRequest, *, stop: Event | None = None, on_text: Callable[[str], None] = lambda text: None
    ) -> str:
        """Canvas after canvas; see `DiffusionGemmaRewriter`."""
        written = request.code
        for written in self._rewriter.rewrite(request, self._checks.until(stop)):
            on_text(written)
        return written

    def _within(self, stop: Event | None, budget: float | None) -> Callable[[], None]:
        """Without a budget there is no limit: how fast this model is depends on the machine by three orders."""
        return RequestTrace(self._checks.until(stop), seconds=math.inf if budget is None else budget).check

    def _layouts(self, prompt: Prompt, question: Question, gap: Gap, count: int, trace: RequestTrace) -> list[Layout]:
        """The layouts to denoise: those of the lengths that read best after one step, or without a suffix the only one
        there is, as often."""
        if not question.suffix:
            return [self._questioner.layout(question, question.canvas)] * max(1, count)
        scores = self._guess(prompt, question, gap, lengths(question.max_tokens, question.canvas), trace)
        for _ in range(NEARER):
            nearer = {length for best in best_lengths(scores, BEST_ROUGH_LENGTHS) for length in near(best, scores)}
            scores |= self._guess(prompt, question, gap, sorted(nearer), trace)
        return [self._questioner.layout(question, length) for length in best_lengths(scores, max(1, count))]

    def _guess(
        self, prompt: Prompt, question: Question, gap: Gap, tried: Sequence[int], trace: RequestTrace
    ) -> dict[int, float]:
        """The reranker's S of every length's likeliest tokens after one step.

        A suffix that does not follow shows a wrong length. How sure the model is of the hole does not: of a hole
        that is too short it may be as sure (docs/LOG.md has the figures).
        """
        scores: dict[int, float] = {}
        for start in range(0, len(tried), CANVASES):
            trace.count()
            some = tried[start : start + CANVASES]
            canvases = [self._canvas(self._questioner.layout(question, length), self._noise()) for length in some]
            free = torch.arange(max(some), device=self._model.device)
            hidden = self._model.denoise(torch.cat(canvases), prompt.cache, None, free)
            likeliest = [self._likeliest(row[:length], question) for row, length in zip(hidden, some, strict=True)]
            texts = [self._text(question, tokens, gap) for tokens in likeliest]
            scores |= zip(some, self._rerank(prompt, question, texts, trace), strict=True)
        return scores

    def _likeliest(self, hidden: Tensor, question: Question) -> list[int]:
        """Tokens of a hole, of those that may begin it, by its final hidden states [hole, hidden]."""
        logits = self._model.logits(hidden)
        for at, allowed in self._beginnings.at({0: question.healing_prefix}).items():
            logits[at].masked_fill_(~allowed, IMPOSSIBLE)
        tokens: list[int] = logits.argmax(-1).tolist()
        return tokens[: self._end(tokens)]

    def _fills(self, prompt: Prompt, question: Question, layouts: Sequence[Layout], trace: RequestTrace) -> list[_Fill]:
        fills: list[_Fill] = []
        for number, layout in enumerate(layouts):
            most = min((PATIENCE * fill.steps for fill in fills), default=self._config.max_denoising_steps)
            noise = self._noise(SEED + layouts[:number].count(layout))
            fills.append(self._fill(prompt, question, layout, most, noise, trace))
        return fills

    def _fill(
        self, prompt: Prompt, question: Question, layout: Layout, most: int, noise: Noise, trace: RequestTrace
    ) -> _Fill:
        """After `most` steps, or as soon as it is finished."""
        canvas = self._canvas(layout, noise)
        free = torch.arange(layout.hole, device=self._model.device)
        pins = Pins(free, allowed=self._beginnings.at({0: question.healing_prefix}))
        last: CanvasState | None = None
        for state in islice(denoise(self._model, prompt.cache, canvas, self._config, noise, pins), most):
            trace.count()
            trace.on_frame(self._frame(state, layout))
            last = state
        assert last is not None, "a canvas has at least one step"
        tokens = last.best_ids[0][: layout.hole]
        end = self._end(tokens)
        ended = bool(layout.pinned) or end < len(tokens)
        return _Fill(tokens[:end], last.confidence[0, :end].tolist(), last.step, ended)

    def _answer(
        self, question: Question, text: str, fill: _Fill, score: float, score_empty: float, trace: RequestTrace
    ) -> Infill:
        logs = [math.log(max(p, 1e-30)) for p in fill.probabilities] or [0.0]
        features = Features(
            mean=sum(logs) / len(logs),
            least=min(logs),
            score=score,
            score_empty=score_empty,
            tokens=len(fill.tokens),
            ended=fill.ended,
        )
        pieces = self._pieces(question, fill.tokens, logs, len(text))
        sure = math.exp(features.mean)
        return Infill(text, sure, fill.steps, trace.forwards, features, pieces, dict(trace.timings))

    def _pieces(
        self, question: Question, tokens: Sequence[int], logs: Sequence[float], length: int
    ) -> tuple[tuple[str, float], ...]:
        """The first `length` characters behind the healing prefix, per token."""
        decoder, skip = codecs.getincrementaldecoder("utf-8")("ignore"), len(question.healing_prefix)
        pieces = []
        for token, log in zip(tokens, logs, strict=False):
            spelled = self._tokenizer.decode([token])
            piece, skip = decoder.decode(spelled[skip:])[:length], max(0, skip - len(spelled))
            length -= len(piece)
            if piece:
                pieces.append((piece, log))
        return tuple(pieces)

    def _text(self, question: Question, tokens: Sequence[int], gap: Gap) -> str:
        return self._questioner.answer(question, self._tokenizer.decode(tokens), gap.max_lines)

    def _rerank(self, prompt: Prompt, question: Question, texts: Sequence[str], trace: RequestTrace) -> list[float]:
        """S(c) = log p(c | prefix) + log p(suffix head | prefix, c) by the encoder, over the texts tokenised anew.

        The file's end, a closing fence, is part of the suffix.
        """
        trace.count()
        healing_prefix = question.healing_prefix.decode("utf-8", "ignore")
        behind = self._questioner.behind(question, 0)[:SCORED_SUFFIX]
        head = self._tokenizer.decode(behind).decode("utf-8", "ignore")
        return [
            sum(log_probs)
            for log_probs in prompt.scores([self._tokenizer.encode(healing_prefix + text + head) for text in texts])
        ]

    def _canvas(self, layout: Layout, noise: Noise) -> Tensor:
        hole = noise.ids(1, layout.hole)
        return torch.cat([hole, torch.tensor([layout.pinned], dtype=hole.dtype, device=self._model.device)], dim=1)

    def _frame(self, state: CanvasState, layout: Layout) -> Frame:
        tokens = state.best_ids[0][: layout.hole]
        texts = [self._tokenizer.decode([token]).decode("utf-8", "replace") for token in tokens]
        return Frame(state.step, tuple(zip(texts, state.taken[0], strict=True)))

    def _noise(self, seed: int = SEED) -> Noise:
        return Noise(seed, self._model.config.vocab_size, self._model.device)

    def _end(self, tokens: Sequence[int]) -> int:
        """Where the first end token stands, or the last token ends."""
        ends = (*self._config.eos_token_ids, self._config.pad_token_id)
        return next((at for at, token in enumerate(tokens) if token in ends), len(tokens))
