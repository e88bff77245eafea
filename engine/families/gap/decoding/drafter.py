"""The drafter: draft tokens for the next pass to verify, and masked positions for it to predict behind them.

The draft model is the model itself: masked positions predicted one distribution each, without knowing what the others
become (multi-token prediction), and prompt lookup says what followed the same tokens elsewhere. The drafts are the tree
of the likeliest continuations under the product of these distributions, grown best first (as in EAGLE-2, arXiv
2406.16858). Masked positions stand where the accepted tokens are likeliest to leave the tree, since the next drafts are
made of their predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, nlargest
from math import exp, inf, log

from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.prompt_lookup import LONGEST, PromptLookup
from lacuna.engine.families.gap.decoding.tree_attention import Node

# A pass takes 12 ms, and 0.75 a row (2 threads of an AMD EPYC, bfloat16): only what is likely to be accepted pays.
LEAST = log(0.05)  # log probability from which a token is drafted
TOKENS = 10  # of a hypothesis' drafts at most
WIDTH = 4  # likeliest tokens of a position that are tried
STRETCHES = (4, 3)  # masked positions behind the node where leaving the tree is likeliest, and behind the next


@dataclass(frozen=True)
class Drafts:
    """What one hypothesis wants of a pass."""

    nodes: list[Node]  # to be verified; what is decided is the first
    masked: Mapping[Node, int]  # how many masked positions stand behind which


class Drafter:
    """Drafts for the hypotheses of one hole."""

    def __init__(
        self, before: Sequence[int], lookup: PromptLookup, end: int, can_propose: bool = True, most: int = TOKENS
    ) -> None:
        """`before` are the tokens left of the hole; `end` is the end-of-hole token, which is never verified: nothing
        follows it. `can_propose`: the model was trained to predict masked positions. `most`: tokens of a hypothesis'
        drafts."""
        self._before, self._lookup, self._end = list(before[-LONGEST:]), lookup, end
        self._can_propose, self._most = can_propose, most

    def draft(self, hypothesis: Hypothesis) -> Drafts:
        """The likeliest nodes, best first, as many as are likely enough."""
        log_probs = dict[Node, float]()  # of the nodes of the tree
        ends = dict[Node, float]()  # probability that the fill is this node and no more
        waiting = [(-0.0, hypothesis.node)]  # a heap of (-log probability, node)
        while waiting and len(log_probs) <= self._most:
            negated, node = heappop(waiting)
            log_probs[node] = -negated
            children = {token: log_probs[node] + score for token, score in self._next(hypothesis, node).items()}
            ends[node] = exp(children.pop(self._end, -inf))
            for token, log_prob in children.items():
                if log_prob >= LEAST and hypothesis.open((*node, token)):
                    heappush(waiting, (-log_prob, (*node, token)))
        masked = _masked(hypothesis, _leaving(log_probs, ends)) if self._can_propose else {}
        return Drafts(list(log_probs), masked)

    def _next(self, hypothesis: Hypothesis, node: Node) -> dict[int, float]:
        """The likeliest tokens behind a node, with their log probabilities: what a masked position predicted there,
        and what prompt lookup found."""
        scores = dict[int, float]()
        proposal = hypothesis.proposals.get(len(node))
        if proposal is not None:
            possible = hypothesis.constrain(node, proposal)
            best = (possible if possible is proposal else possible.log_softmax(-1)).topk(WIDTH)
            found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            scores = {token: score for token, score in found if score > -inf}
        match = self._lookup.following([*self._before, *node])
        if match is not None:
            token, probability = match
            allowed = hypothesis.possible(node)
            if allowed is None or token in allowed:
                scores[token] = max(scores.get(token, -inf), log(probability))
        return scores


def _leaving(log_probs: Mapping[Node, float], ends: Mapping[Node, float]) -> dict[Node, float]:
    """Per node the probability that the fill gets there, does not end, and goes on with a token that is not in the
    tree."""
    _, *others = log_probs  # the root is the first
    leaving = {node: exp(log_prob) - ends[node] for node, log_prob in log_probs.items()}
    for child in others:
        leaving[child[:-1]] -= exp(log_probs[child])
    return leaving


def _masked(hypothesis: Hypothesis, leaving: Mapping[Node, float]) -> dict[Node, int]:
    """The stretches of masked positions, behind the nodes where the tree is likeliest to be left."""
    nodes = nlargest(len(STRETCHES), leaving, key=lambda node: leaving[node])
    room = {node: len(hypothesis.canvas) - 1 - len(node) for node in nodes}
    return {node: min(length, room[node]) for node, length in zip(nodes, STRETCHES, strict=False) if room[node]}
