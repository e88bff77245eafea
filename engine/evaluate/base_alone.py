"""The controls: what the base says without the canvas, and what was in the file already.

They get what the canvas gets: the same window, and boundaries normalised, so that their first tokens spell the healing
prefix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import torch
from torch import Tensor

from lacuna.engine.evaluate.answers import Answer
from lacuna.engine.evaluate.gaps import key
from lacuna.engine.evaluate.reader import Reader
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.rerank import Reranker
from lacuna.engine.families.gap.session import Hole

SAMPLES = 8
TEMPERATURE = 0.8
LEAST = 3  # tokens that must match for a copy: shorter matches are chance


def left_to_right(reader: Reader, hole: Hole) -> Answer:
    """The base from the prefix, greedily. It never sees the suffix; only its own end of text ends it early."""
    hypothesis, context = reader.hypothesis(hole), hole.context
    forwards = 0
    while not hypothesis.finished:
        row = hypothesis.constrain(hypothesis.tokens, context.next_log_probabilities[0])
        _accept(hypothesis, int(row.argmax()))
        forwards += 1
        if not hypothesis.finished:
            context.prefill_prefix([*hole.prompt.read, *hypothesis.tokens], reader.check)
    return Answer(hole.boundary.answer(hypothesis.spelled), forwards)


def ranked_samples(reader: Reader, hole: Hole) -> Answer:
    """Of samples from the prefix, the one that the reranker puts first, which has seen the head of the suffix."""
    chance = torch.Generator().manual_seed(int(key(hole.gap)[:12], 16))
    length = len(reader.hypothesis(hole).canvas)
    fills: set[bytes] = set()
    forwards = 0
    for size in _groups(hole, SAMPLES, length):
        hypotheses = [reader.hypothesis(hole) for _ in range(size)]
        forwards += _sample(reader, hole, hypotheses, chance)
        fills.update(hypothesis.spelled for hypothesis in hypotheses)
    scores: dict[bytes, float] = {}
    reranker = Reranker(reader.denoiser, hole.context, hole.prompt.suffix, reader.tokenizer)
    for size in _groups(hole, len(fills), 2 * length):  # tokenised anew, with the head of the suffix behind it
        some = sorted(fills - scores.keys())[:size]
        scores |= dict(zip(some, reranker.scores(some), strict=True))
        forwards += 1
    return Answer(hole.boundary.answer(max(scores, key=lambda fill: scores[fill])), forwards)


def best_copy(reader: Reader, hole: Hole) -> Answer:
    """What followed the longest earlier match; nothing where there is none, or where it does not spell the healing
    prefix."""
    hypothesis = reader.hypothesis(hole)
    sources = [hole.prompt.suffix, hole.prompt.read]
    tokens = copied(hole.prompt.read, sources, len(hypothesis.canvas)) if hole.prompt.read else []
    for token in tokens:
        if not hypothesis.finished:
            _accept(hypothesis, token)
    fits = hypothesis.spelled.startswith(hole.boundary.forced)
    return Answer(hole.boundary.answer(hypothesis.spelled) if fits else "", 0)


def copied(prefix: Sequence[int], sources: Sequence[Sequence[int]], length: int) -> list[int]:
    """Up to `length` tokens that followed the longest match, the latest of equally long ones; none without a match.

    `sources` are token sequences, the most useful last.
    """
    best, found = LEAST - 1, []
    for source in reversed(sources):
        for end in range(len(source) - 1, 0, -1):
            if source[end - 1] == prefix[-1] and (matched := _matched(prefix, source, end)) > best:
                best, found = matched, list(source[end : end + length])
    return found


def _matched(prefix: Sequence[int], source: Sequence[int], end: int) -> int:
    """How many tokens before `end` equal the prefix' last ones."""
    count = 0
    while count < min(len(prefix), end) and source[end - 1 - count] == prefix[-1 - count]:
        count += 1
    return count


def _groups(hole: Hole, hypotheses: int, length: int) -> list[int]:
    """How many hypotheses to have in one pass after the other: the cache has room for so many tokens."""
    at_once = min(hypotheses, (hole.context.cache.capacity - hole.context.tail) // length)
    assert at_once > 0, f"no room for {length} tokens"
    return [at_once] * (hypotheses // at_once) + [hypotheses % at_once] * (hypotheses % at_once > 0)


def _sample(reader: Reader, hole: Hole, hypotheses: Sequence[Hypothesis], chance: torch.Generator) -> int:
    """Decides all hypotheses token by token, one pass for a token of each; returns the passes."""
    tail = Tail(reader, hole, len(hypotheses))
    rows = hole.context.next_log_probabilities.expand(len(hypotheses), -1)
    active = list(range(len(hypotheses)))
    for forwards in count(1):
        for at, row in zip(active, rows, strict=True):
            _accept(hypotheses[at], _draw(hypotheses[at], row, chance))
        active = [at for at in active if not hypotheses[at].finished]
        if not active:
            return forwards
        reader.check()
        rows = tail.decode({at: hypotheses[at].tokens for at in active})
    raise AssertionError("hypotheses have an end")


class Tail:
    """KV of several hypotheses behind one prefix: each sees the prefix and its own tokens."""

    def __init__(self, reader: Reader, hole: Hole, hypotheses: int) -> None:
        self._base, self._context = reader.denoiser.base, hole.context
        # Per hypothesis, counted from the prefix' first on.
        self._slots: list[list[int]] = [[] for _ in range(hypotheses)]
        self._used = len(self._context.ids)

    def decode(self, hypotheses: Mapping[int, list[int]]) -> Tensor:
        """A decode step: log probabilities [hypotheses, vocab] of what follows each of these hypotheses."""
        context, device = self._context, self._base.device
        start = context.ORIGIN + self._used
        mask = torch.zeros(len(hypotheses), self._used + len(hypotheses), dtype=torch.bool)
        mask[:, : len(context.ids)] = True
        for row, at in enumerate(hypotheses):
            self._slots[at].append(self._used + row)
            mask[row, self._slots[at]] = True
        self._used += len(hypotheses)
        x = self._base.embed([tokens[-1] for tokens in hypotheses.values()])
        positions = torch.tensor([context.last + len(tokens) for tokens in hypotheses.values()], device=device)
        return self._base.log_probabilities(
            self._base.forward(x, positions, context.cache, context.ORIGIN, start, mask.to(device))
        )


def _draw(hypothesis: Hypothesis, row: Tensor, chance: torch.Generator) -> int:
    probabilities = (hypothesis.constrain(hypothesis.tokens, row) / TEMPERATURE).softmax(-1).cpu()
    return int(torch.multinomial(probabilities, 1, generator=chance))


def _accept(hypothesis: Hypothesis, token: int) -> None:
    hypothesis.accept(hypothesis.canvas.leftmost(), token, 0.0, 0.0)
