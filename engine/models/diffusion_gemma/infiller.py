"""Infilling with DiffusionGemma: the gap's prefix stands in the model's turn, hole and suffix on the canvas."""

from __future__ import annotations

import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

import torch
from torch import Tensor

from engine.block_diffusion import Draft, Pins, denoise
from engine.entropy_bound import EntropyBoundConfig, Noise, propose
from engine.gap import Features, Frame, Gap, Infill, Stopped
from engine.infill_layout import Layout, best_lengths, lengths, rank
from engine.models.diffusion_gemma import checkpoint
from engine.models.diffusion_gemma.beginnings import Beginnings
from engine.models.diffusion_gemma.model import DiffusionGemma
from engine.models.diffusion_gemma.patcher import Patcher
from engine.models.diffusion_gemma.prompt import Prompt
from engine.models.diffusion_gemma.question import Question, Questioner
from engine.models.diffusion_gemma.rewriter import DiffusionGemmaRewriter
from engine.models.diffusion_gemma.scorer import Scorer
from engine.models.diffusion_gemma.tokenizer import GemmaTokenizer
from engine.patch import Patch, Patched, Wish
from engine.runtime import Runtime
from engine.surprise import Passage, Surprise

DRAFTED_LENGTHS = 2  # lengths that are denoised to the end
JUDGED_SUFFIX = 12  # tokens of the suffix that a fill is judged by
PROMPTS = 4  # documents whose prompts stay read; 8K tokens of the published model are 0.4 GB
VERSIONS = 2  # prompts of a document before and after an edit
CANVASES = 4  # lengths tried in one pass: enough that a GPU reads the experts once for all, few enough to stop soon
SEED = 0


@dataclass(frozen=True)
class _Fill:
    """A hole that was denoised."""

    tokens: list[int]
    probabilities: list[float]  # of these tokens, in the last step
    steps: int
    ended: bool  # by an end token or by the suffix, not by the canvas' edge


class DiffusionGemmaInfiller:
    """Fills gaps, one at a time: it is used from one thread."""

    can_rewrite = True

    def __init__(self, model: DiffusionGemma, tokenizer: GemmaTokenizer, config: EntropyBoundConfig) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._config = config
        self._questioner = Questioner(tokenizer, model.config.canvas_length)
        self._prompts: OrderedDict[str, Prompt] = OrderedDict()
        self._beginnings = Beginnings(tokenizer, model.config.vocab_size, model.device)
        self._baselines: dict[int, float] = {}
        present, old = Prompt(model), Prompt(model)
        self._patcher = Patcher(model, tokenizer, config, present, old)
        self._scorer = Scorer(model, tokenizer, present, old)
        self._rewriter = DiffusionGemmaRewriter(model, tokenizer, config)

    @torch.inference_mode()
    def infill(
        self,
        gap: Gap,
        *,
        document: str = "",
        drafts: int = DRAFTED_LENGTHS,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
    ) -> list[Infill]:
        """Fills for a gap, the best first and at least one. The same gap gives the same fills.

        `document` names what the gap is in: what was read for it is reused. Raises Stopped soon after `stop` is set.
        """

        check = partial(_check, stop)
        started = time.perf_counter()
        question = self._questioner.ask(gap)
        prompt = self._prompt(document)
        prompt.update(question.prompt, check)
        encoded = time.perf_counter()
        layouts = self._layouts(prompt, question, drafts, check)
        fills = [self._fill(prompt, question, layout, check, on_frame) for layout in layouts]
        denoised = time.perf_counter()
        check()
        judge_empty = self._judge(prompt, question, "")
        answers = [self._answer(prompt, question, fill, gap, judge_empty) for fill in fills]
        judged = time.perf_counter()
        times = {"encode": encoded - started, "denoise": denoised - encoded, "judge": judged - denoised}
        timings = {stage: 1e3 * seconds for stage, seconds in times.items()}
        ranked = rank(answers, [answer.features.judge for answer in answers])
        return [replace(entry.draft, timings=timings) for entry in ranked]

    def close(self, document: str) -> None:
        """Forgets what was read for a document."""
        self._prompts.pop(document, None)

    def patch(
        self, patch: Patch, *, stop: Event | None = None, on_frame: Callable[[Frame], None] = lambda frame: None
    ) -> Patched:
        """Fillings of all holes of a patch, the best first. Raises Stopped soon after `stop` is set."""
        return self._patcher.patch(patch, partial(_check, stop), on_frame)

    def surprises(self, passage: Passage, *, stop: Event | None = None) -> tuple[Surprise, ...]:
        """The words of a passage that an edit made less likely. Raises Stopped soon after `stop` is set."""
        return self._scorer.surprises(passage, partial(_check, stop))

    def rewrite(
        self, wish: Wish, *, stop: Event | None = None, on_text: Callable[[str], None] = lambda text: None
    ) -> str:
        """The block as the instruction wants it; `on_text` is told how it stands after every step. Raises Stopped."""
        written = wish.code
        for written in self._rewriter.rewrite(wish, partial(_check, stop)):
            on_text(written)
        return written

    def _prompt(self, document: str) -> Prompt:
        prompt = self._prompts.pop(document, None) or Prompt(self._model)
        self._prompts[document] = prompt
        if len(self._prompts) > PROMPTS:
            self._prompts.popitem(last=False)
        return prompt

    def _layouts(self, prompt: Prompt, question: Question, count: int, check: Callable[[], None]) -> list[Layout]:
        """The layouts to denoise: those of the lengths that one step thinks best."""
        if not question.suffix:
            return [self._questioner.layout(question, self._model.config.canvas_length)]
        candidates = lengths(question.max_tokens, self._model.config.canvas_length)
        self._calibrate([length for length in candidates if length not in self._baselines], check)
        entropy = self._entropy(prompt, question, candidates, check)
        chosen = best_lengths(entropy, {length: self._baselines[length] for length in candidates}, max(1, count))
        return [self._questioner.layout(question, length) for length in chosen]

    def _calibrate(self, missing: Sequence[int], check: Callable[[], None]) -> None:
        """Mean entropies in an empty context: once per length and model."""
        if missing:
            empty = self._questioner.empty()
            prompt = Prompt(self._model)
            prompt.update(empty.prompt, check)
            self._baselines |= self._entropy(prompt, empty, missing, check)

    def _entropy(
        self, prompt: Prompt, question: Question, candidates: Sequence[int], check: Callable[[], None]
    ) -> dict[int, float]:
        """Mean entropy of the hole after the first step, for every length."""
        entropy: dict[int, float] = {}
        temperature = self._config.temperature(self._config.max_denoising_steps)
        for start in range(0, len(candidates), CANVASES):
            check()
            tried = candidates[start : start + CANVASES]
            canvases = [self._canvas(self._questioner.layout(question, length), self._noise()) for length in tried]
            free = torch.arange(max(tried), device=self._model.device)
            hidden = self._model.denoise(torch.cat(canvases), prompt.cache, None, free)
            for row, length in enumerate(tried):
                proposal = propose(self._model.logits(hidden[row : row + 1, :length]), temperature)
                entropy[length] = float(proposal.entropy.mean())
        return entropy

    def _fill(
        self,
        prompt: Prompt,
        question: Question,
        layout: Layout,
        check: Callable[[], None],
        on_frame: Callable[[Frame], None],
    ) -> _Fill:
        noise = self._noise()
        canvas = self._canvas(layout, noise)
        free = torch.arange(layout.hole, device=self._model.device)
        pins = Pins(free, allowed=self._beginnings.at({0: question.stub}))
        last: Draft | None = None
        for draft in denoise(self._model, prompt.cache, canvas, self._config, noise, pins):
            check()
            on_frame(self._frame(draft, layout))
            last = draft
        assert last is not None, "a canvas has at least one step"
        tokens = last.best[0, : layout.hole].tolist()
        kept = next((at for at, token in enumerate(tokens) if token in self._ends), len(tokens))
        ended = bool(layout.pinned) or kept < len(tokens)
        return _Fill(tokens[:kept], last.confidence[0, :kept].tolist(), last.step, ended)

    def _answer(self, prompt: Prompt, question: Question, fill: _Fill, gap: Gap, judge_empty: float) -> Infill:
        spelled = self._tokenizer.decode(fill.tokens)
        text = self._questioner.answer(question, spelled, gap.max_lines)
        logs = [math.log(max(p, 1e-30)) for p in fill.probabilities] or [0.0]
        features = Features(
            canvas_mean=sum(logs) / len(logs),
            canvas_min=min(logs),
            product_min=min(logs),
            judge=self._judge(prompt, question, text),
            judge_empty=judge_empty,
            tokens=len(fill.tokens),
            ended=fill.ended,
        )
        texts = [self._tokenizer.decode([token]).decode("utf-8", "replace") for token in fill.tokens]
        pieces = tuple(zip(texts, logs, strict=False))
        return Infill(text, math.exp(features.canvas_mean), fill.steps, fill.steps, features, pieces)

    def _judge(self, prompt: Prompt, question: Question, text: str) -> float:
        """S(c) = log p(c | prefix) + log p(suffix head | prefix, c) by the encoder, over the text tokenised anew."""
        head = self._tokenizer.decode(question.suffix[:JUDGED_SUFFIX]).decode("utf-8", "ignore")
        said = self._tokenizer.encode(question.stub.decode("utf-8", "ignore") + text + head)
        return sum(prompt.score(said)) if said else 0.0

    def _canvas(self, layout: Layout, noise: Noise) -> Tensor:
        hole = noise.ids(1, layout.hole)
        return torch.cat([hole, torch.tensor([layout.pinned], dtype=hole.dtype, device=self._model.device)], dim=1)

    def _frame(self, draft: Draft, layout: Layout) -> Frame:
        tokens, taken = draft.best[0, : layout.hole].tolist(), draft.accepted[0].tolist()
        texts = [self._tokenizer.decode([token]).decode("utf-8", "replace") for token in tokens]
        return Frame(draft.step, tuple(zip(texts, taken, strict=True)))

    def _noise(self) -> Noise:
        return Noise(SEED, self._model.config.vocab_size, self._model.device)

    @property
    def _ends(self) -> tuple[int, ...]:
        return (*self._config.eos_token_ids, self._config.pad_token_id)


def _check(stop: Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped


def load(directory: Path, runtime: Runtime) -> DiffusionGemmaInfiller:
    """From a checkpoint directory. Raises WeightsError, or ValueError for a config it cannot run."""
    model = checkpoint.load(directory, runtime)
    generation = directory / "generation_config.json"
    settings = json.loads(generation.read_text(encoding="utf-8")) if generation.exists() else {}
    tokenizer = GemmaTokenizer(directory / "tokenizer.json")
    return DiffusionGemmaInfiller(model, tokenizer, EntropyBoundConfig.from_hf(settings))
