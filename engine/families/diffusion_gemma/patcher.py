"""Patches with DiffusionGemma: all holes of a place, what is pinned between them, and the suffix on one canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import torch
from torch import Tensor

from lacuna.engine.api import Frame, Gap, Patch, Patched, Snippet
from lacuna.engine.families.diffusion_gemma.beginnings import Beginnings
from lacuna.engine.families.diffusion_gemma.block_diffusion import CanvasState, Pins, denoise
from lacuna.engine.families.diffusion_gemma.entropy_bound import IMPOSSIBLE, EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.model import CHUNK, DiffusionGemma
from lacuna.engine.families.diffusion_gemma.prompt import Prompt
from lacuna.engine.families.diffusion_gemma.question import Question, Questioner
from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer
from lacuna.engine.families.shared import patch_layout
from lacuna.engine.families.shared.patch_layout import Layout, Segments
from lacuna.engine.families.shared.patch_ranking import ranked
from lacuna.engine.request_trace import RequestTrace

DENOISED = 3  # choices of lengths denoised to the end: the present ones, and those that read best after one step
SCORED_SUFFIX = 12  # tokens of the suffix that a filling is scored with
SEED = 0

Texts = tuple[str, ...]  # one per hole


class Patcher:
    def __init__(
        self, model: DiffusionGemma, tokenizer: GemmaTokenizer, config: EntropyBoundConfig, present: Prompt, old: Prompt
    ) -> None:
        """`present` and `old` are a document's prompts after and before an edit, shared with whoever else reads
        them."""
        self._model = model
        self._tokenizer = tokenizer
        self._config = config
        self._present = present
        self._old = old
        self._questioner = Questioner(tokenizer, model.config.canvas_length)
        self._beginnings = Beginnings(tokenizer, model.config.vocab_size, model.device)

    def patch(self, patch: Patch, check: Callable[[], None], on_frame: Callable[[Frame], None]) -> Patched:
        """Fillings of all holes, the reranker's favourite first. `check` runs before every pass and may raise."""
        trace = RequestTrace(check, on_frame)
        holes = tuple(hole.text for hole in patch.holes)
        question, segments = self._ask(patch, holes)
        with trace.stage("prefill"):
            self._present.update(question.prompt, trace.check)
        with trace.stage("denoise"):
            layouts = self._layouts(patch, segments, question, trace)
            denoised = [self._denoised(layout, question, trace) for layout in layouts]
        with trace.stage("rerank"):
            tried = list(dict.fromkeys([holes, *patch.candidates, *denoised]))
            scores = self._scores(self._present, question, patch, tried, trace)
            old_scores = self._old_scores(patch, tried, trace) or scores
        return Patched(ranked(tried, scores, old_scores, patch.candidates), trace.steps, trace.forwards, trace.timings)

    def _ask(self, patch: Patch, holes: Texts) -> tuple[Question, Segments]:
        """What stands left of a hole loses its last token: the hole spells it, and a word cut in two is one again."""
        encode, decode = self._tokenizer.encode, self._tokenizer.decode
        between = [encode(text) for text in patch.texts[1:-1]]
        # A hole that spells its healing prefix may take a token more than both apart.
        most = sum(map(len, between)) + sum(len(encode(hole)) + 1 + patch.length_slack for hole in holes)
        gap = Gap(patch.texts[0], patch.texts[-1], patch.language, tuple(map(Snippet, patch.snippets)), max_tokens=most)
        question = self._questioner.ask(gap)
        healing_prefixes = (question.healing_prefix, *(decode(tokens[-1:]) for tokens in between))
        texts = [
            healing_prefix.decode("utf-8", "ignore") + hole
            for healing_prefix, hole in zip(healing_prefixes, holes, strict=True)
        ]
        return question, Segments(
            healing_prefixes,
            tuple(tuple(tokens[:-1]) for tokens in between),
            tuple(len(encode(text)) for text in texts),
            tuple(int(bool(healing_prefix)) for healing_prefix in healing_prefixes),
        )

    def _layouts(self, patch: Patch, segments: Segments, question: Question, trace: RequestTrace) -> list[Layout]:
        """The present lengths, and those whose likeliest tokens after one step the reranker prefers, as for a gap."""
        room, holes = question.canvas - 1, [hole.text for hole in patch.holes]
        tried = [
            segments.lay_out(lengths) for lengths in patch_layout.lengths(holes, segments, patch.length_slack, room)
        ]
        if len(tried) <= DENOISED:
            return tried
        present, *others = tried
        likeliest = [self._likeliest(layout, question, trace) for layout in others]
        scores = self._scores(self._present, question, patch, likeliest, trace)
        best = sorted(range(len(others)), key=lambda at: (-scores[at], at))[: DENOISED - 1]
        return [present, *(others[at] for at in best)]

    def _likeliest(self, layout: Layout, question: Question, trace: RequestTrace) -> Texts:
        """What the holes hold after one step without noise in its choice."""
        trace.count()
        canvas, pins = self._canvas(layout, question, self._noise())
        logits = self._model.logits(self._model.denoise(canvas, self._present.cache, None, pins.free))
        for at, allowed in pins.allowed.items():
            logits[:, at].masked_fill_(~allowed, IMPOSSIBLE)
        canvas[:, pins.free] = logits.argmax(-1)
        return self._texts(canvas[0].tolist(), layout)

    def _denoised(self, layout: Layout, question: Question, trace: RequestTrace) -> Texts:
        noise = self._noise()
        canvas, pins = self._canvas(layout, question, noise)
        last: CanvasState | None = None
        for state in denoise(self._model, self._present.cache, canvas, self._config, noise, pins):
            trace.count()
            trace.step(self._frame(state, layout))
            last = state
        assert last is not None, "a canvas has at least one step"
        return self._texts(last.best_ids[0], layout)

    def _texts(self, tokens: Sequence[int], layout: Layout) -> Texts:
        """What the holes of a canvas spell."""
        assert all(tokens[at] == token for at, token in layout.pins.items()), "a pinned token never changes"
        return tuple(
            self._spelled(tokens[span.positions.start : span.positions.stop], span.healing_prefix)
            for span in layout.holes
        )

    def _spelled(self, tokens: Sequence[int], healing_prefix: bytes) -> str:
        """What a hole holds, up to an end token if there is one."""
        ends = (*self._config.eos_token_ids, self._config.pad_token_id)
        kept = next((at for at, token in enumerate(tokens) if token in ends), len(tokens))
        return self._tokenizer.decode(tokens[:kept]).removeprefix(healing_prefix).decode("utf-8", errors="ignore")

    def _canvas(self, layout: Layout, question: Question, noise: Noise) -> tuple[Tensor, Pins]:
        """[1, canvas], and which of it is given."""
        free = _free(layout)
        behind = self._questioner.behind(question, layout.length)
        canvas = noise.ids(1, layout.length + len(behind))
        pinned = layout.pins | dict(enumerate(behind, layout.length))
        canvas[0, list(pinned)] = torch.tensor(list(pinned.values()), device=canvas.device)
        healing_prefixes = {
            free.index(span.positions.start): span.healing_prefix for span in layout.holes if span.positions
        }
        return canvas, Pins(torch.tensor(free, device=canvas.device), allowed=self._beginnings.at(healing_prefixes))

    def _old_scores(self, patch: Patch, tried: Sequence[Texts], trace: RequestTrace) -> list[float]:
        """The reranker's S as it was before the edit; none where the patch does not know that."""
        if patch.old_start is None:
            return []
        old = self._questioner.ask(
            Gap(patch.old_start, patch.texts[-1], patch.language, tuple(map(Snippet, patch.old_snippets)))
        )
        self._old.update(old.prompt, trace.check)
        return self._scores(self._old, old, patch, tried, trace)

    def _scores(
        self, prompt: Prompt, question: Question, patch: Patch, tried: Sequence[Texts], trace: RequestTrace
    ) -> list[float]:
        """S per filling by the encoder, over the text tokenised anew; in one pass where none is longer than that."""
        between = [question.healing_prefix.decode("utf-8", "ignore"), *patch.texts[1:-1]]
        head = self._tokenizer.decode(question.suffix[:SCORED_SUFFIX]).decode("utf-8", "ignore")
        wholes = ["".join(chain(*zip(between, texts, strict=True))) + head for texts in tried]
        tokens = [self._tokenizer.encode(whole) for whole in wholes]
        at_once = len(tokens) if max(map(len, tokens)) <= CHUNK else 1
        scores: list[float] = []
        for start in range(0, len(tokens), at_once):
            trace.count()
            scores += map(sum, prompt.scores(tokens[start : start + at_once]))
        return scores

    def _frame(self, state: CanvasState, layout: Layout) -> Frame:
        taken = dict(zip(_free(layout), state.taken[0], strict=True))
        tokens = state.best_ids[0][: layout.length]
        texts = [self._tokenizer.decode([token]).decode("utf-8", "replace") for token in tokens]
        return Frame(state.step, tuple((text, taken.get(at, False)) for at, text in enumerate(texts)))

    def _noise(self) -> Noise:
        return Noise(SEED, self._model.config.vocab_size, self._model.device)


def _free(layout: Layout) -> list[int]:
    """The positions of the holes, ascending."""
    return [at for span in layout.holes for at in span.positions]
