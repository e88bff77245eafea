"""The decode loop: one pass verifies the draft tokens of the pass before and predicts masked positions for the next.

One step: (1) each hypothesis' masked-position predictions become draft tokens, a tree of likely continuations
(engine/families/gap/decoding/drafter.py); (2) one pass of the adapted model verifies the trees, with both sides of the
hole in view, and predicts stretches of masked positions behind the likeliest nodes; (3) the beam accepts the best
verified tokens from the left, and decides which hypotheses go on (engine/families/gap/decoding/search.py).

This is speculative decoding (arXiv 2211.17192) with greedy choice and the model's own masked positions as draft heads:
what comes out is what one token a pass would give, and the drafts only decide how many passes that takes. The first
predictions are the base's, which has prefilled the prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from lacuna.engine.api import Frame
from lacuna.engine.families.gap.decoding.drafter import Drafter, Drafts
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.search import Beam
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree, Node
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.kv_context import KvContext


def decode(
    denoiser: GapDenoiser,
    context: KvContext,
    beam: Beam,
    drafter: Drafter | None,
    check: Callable[[], None],
    on_frame: Callable[[Frame], None] = lambda frame: None,
) -> list[Hypothesis]:
    """The finished hypotheses of a beam that has just begun; the best comes first.

    Without a drafter a hypothesis gets one token a pass. `check` runs before every pass and may raise; `on_frame` gets
    the first hypothesis after every step, and the best one after the last. Nothing is random.
    """
    first, kept = beam.first, list[Node]()
    first.proposals, active = {0: context.next_log_probabilities[0]}, [first]
    for step in count(1):
        check()
        tree = _tree(active, drafter, kept)
        verified = denoiser.denoise(context, tree)
        for hypothesis in active:
            beam.advance(hypothesis, verified, most=None if drafter else 1)
        kept = _keep(context, tree, active)
        active = beam.active()
        if not active:
            break
        on_frame(first.frame(step))
    fills = beam.ranked()
    on_frame(fills[0].frame(step))
    return fills


def _tree(hypotheses: Sequence[Hypothesis], drafter: Drafter | None, kept: Sequence[Node]) -> CanvasTree:
    """All drafts; and before anything is decided the empty fill, which is scored beside them."""
    drafts = [drafter.draft(hypothesis) if drafter else Drafts([hypothesis.node], {}) for hypothesis in hypotheses]
    nodes = [node for each in drafts for node in each.nodes]
    empty = [hypothesis.empty for hypothesis in hypotheses if not hypothesis.tokens]
    masked = {node: length for each in drafts for node, length in each.masked.items()}
    return CanvasTree([*nodes, *empty], masked, kept)


def _keep(context: KvContext, tree: CanvasTree, hypotheses: Sequence[Hypothesis]) -> list[Node]:
    """Moves the KV of the accepted tokens to the first scratch slots. The last accepted token of a hypothesis stays
    out: it is a row of the next pass, whose logits predict the token after it."""
    nodes = (hypothesis.node[:length] for hypothesis in hypotheses for length in range(len(hypothesis.tokens)))
    kept = [node for node in dict.fromkeys(nodes) if node in tree.columns]
    context.cache.move([context.tail + tree.columns[node] for node in kept], context.tail)
    return kept
