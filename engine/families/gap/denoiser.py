"""The gap family's passes: a frozen base prefills the prefix; the same base with a LoRA adapter prefills the suffix and
computes the canvas between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lacuna.engine.families.gap.confidence import UNFITTED, ConfidenceModel
from lacuna.engine.families.gap.decoding.canvas import Canvas
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree, DraftTree, Node
from lacuna.engine.families.gap.fim.templates import Markers
from lacuna.engine.families.gap.kv_context import (
    FIM_PREFIX_TOKENS,
    PREFIX_TOKENS,
    TAIL_TOKENS,
    KvContext,
    SuffixPrefiller,
)
from lacuna.engine.models.causal_decoder import CausalDecoder
from lacuna.engine.untrusted.config_file import Fields
from lacuna.engine.untrusted.load_error import LoadError

MAX_CANVAS = 48  # positions; seven such canvases and their anchors just fit into a context's scratch slots
MAX_DISTANCE = 1024
TWO_READS, FIM = "two_reads", "fim"  # layouts


@dataclass(frozen=True)
class GapConfig:
    """The `gap` part of an adapter_config.json; of a base in the FIM layout, its markers."""

    canvas_lengths: tuple[int, ...]
    suffix_distance: int  # positions from the anchor to the first suffix token, whatever the canvas' length
    sink: tuple[int, ...]  # the token that every prefix begins with, or none
    end_of_hole_token_id: int
    gate: ConfidenceModel = UNFITTED
    # The adapted layers prefill the suffix, so that its keys can say where it begins; for first adapters the base did.
    adapted_suffix: bool = False
    markers: Markers | None = None  # of the FIM layout; None where prefix and suffix are read apart

    @staticmethod
    def from_adapter(config: Mapping[str, Any], vocabulary: int = 1 << 20) -> GapConfig:
        """From the content of an adapter_config.json, for a base of so many tokens. Raises LoadError."""
        gap = Fields("adapter_config.json", config).part("gap")
        return GapConfig(
            canvas_lengths=tuple(sorted(gap.integers("canvas_lengths", 2, MAX_CANVAS, 64))),
            suffix_distance=gap.integer("suffix_distance", 1, MAX_DISTANCE),
            sink=(gap.integer("sink_token_id", 0, vocabulary - 1),),
            end_of_hole_token_id=gap.integer("end_of_hole_token_id", 0, vocabulary - 1),
            gate=ConfidenceModel.from_adapter(gap.part("gate").values if "gate" in gap else None),
            adapted_suffix=gap.flag("adapted_suffix"),
        )

    @staticmethod
    def is_fim(config: Mapping[str, Any]) -> bool:
        """Whether an adapter was trained in the FIM layout. Raises LoadError."""
        layout = Fields("adapter_config.json", config).part("gap").values.get("layout", TWO_READS)
        if layout not in (TWO_READS, FIM):
            known = f"{TWO_READS!r} or {FIM!r}"
            raise LoadError.of("adapter_config.json", f"gap.layout is {str(layout)[:40]!r}, not {known}")
        return bool(layout == FIM)

    @staticmethod
    def fim(markers: Markers, config: Mapping[str, Any]) -> GapConfig:
        """For a base that was trained to fill in the middle, and the content of its adapter_config.json, which is empty
        where it has none. Raises LoadError."""
        gap = Fields("adapter_config.json", config).part("gap", {})
        return GapConfig(
            canvas_lengths=(MAX_CANVAS,),
            suffix_distance=0,
            sink=(),
            end_of_hole_token_id=markers.ends[0],
            gate=ConfidenceModel.from_adapter(gap.part("gate").values if "gate" in gap else None),
            markers=markers,
        )

    @property
    def prefix_tokens(self) -> int:
        """The longest prefix that a context holds."""
        return PREFIX_TOKENS if self.markers is None else FIM_PREFIX_TOKENS

    @property
    def positions(self) -> int:
        """How many positions a base must know: of a prefix and what is drafted behind it, or where a suffix begins."""
        return self.prefix_tokens + max(TAIL_TOKENS, self.suffix_distance)

    def canvas_length(self, tokens: int) -> int:
        """A canvas for that many tokens and the end of the hole, or the longest that was trained.

        Any length up to it will do: noise sees no noise, so no position knows how long its canvas is.
        """
        return min(tokens + 1, self.canvas_lengths[-1])


@dataclass(frozen=True)
class Verified:
    """What a pass says by node of its draft trees. All are log probabilities."""

    log_probs: Mapping[Node, Tensor]  # [vocab], of the token after the node
    proposals: Mapping[Node, Tensor]  # [positions, vocab], of the masked positions behind it: first the one after next


class GapDenoiser:
    """A base, and the base with the adapter added in, over one cache.

    The base alone prefills the prefix, so its KV cache serves the reranker too. In the FIM layout both are the same
    decoder, and there may be no adapter, and then no masked positions.
    """

    def __init__(
        self, config: GapConfig, base: CausalDecoder, adapted: CausalDecoder, mask_embedding: Tensor | None
    ) -> None:
        self.config = config
        self.base = base
        self.adapted = adapted
        self._mask_embedding = mask_embedding  # [hidden]
        self.suffixes = SuffixPrefiller(adapted if config.adapted_suffix else base, config.sink)

    @property
    def can_propose(self) -> bool:
        """Whether masked positions are predicted."""
        return self._mask_embedding is not None

    def context(self) -> KvContext:
        return KvContext(self.base, self.config.sink, self.config.prefix_tokens)

    def warm_ups(self) -> list[Callable[[], None]]:
        """Passes of each shape that the base captures, the narrowest first."""
        decoders = [self.adapted] if self.adapted is self.base else [self.adapted, self.base]
        by_shape = zip(*(decoder.warm_ups() for decoder in decoders), strict=True)
        return [warm_up for same_shape in by_shape for warm_up in same_shape]

    def place_suffix(self, context: KvContext, suffix: Sequence[int]) -> None:
        """Prefills the tokens behind a hole and places them there; in the FIM layout the context holds them."""
        if self.config.markers is None:
            context.place_suffix(self.suffixes.prefill(suffix), self.config.suffix_distance)

    def denoise(self, context: KvContext, tree: CanvasTree) -> Verified:
        """Verifies drafts of one hole with both sides in view, and predicts the masked positions behind them, in one
        pass.

        The drafts' KV stay in the scratch slots, behind those that the tree has kept.
        """
        ids = [node[-1] if node else context.ids[-1] for node in tree.nodes]
        x = torch.cat([self.base.embed(ids), self._noise(len(tree.depths) - len(ids))])  # [rows, hidden]
        positions = context.last + torch.tensor(tree.depths, device=self.base.device)
        hidden = self._canvas_pass(context, x, positions, tree.mask())
        # Apart: a hypothesis keeps proposals until their positions are decided, and the rest only until the next pass.
        nodes, *proposals = self.base.log_probabilities_apart(hidden, [len(ids), *tree.masked.values()])
        if self.config.markers is not None:
            for rows in (nodes, *proposals):
                end_at_markers(rows, self.config.markers)
        return Verified(dict(zip(tree.nodes, nodes, strict=True)), dict(zip(tree.masked, proposals, strict=True)))

    def denoise_between(self, context: KvContext, canvases: Sequence[Canvas]) -> list[Tensor]:
        """Canvases with known tokens right of masked positions too, which then see each other in both directions.

        Per canvas, log probabilities [positions, vocab] from the leftmost masked position on. One pass for all.
        """
        width = len(canvases[0]) + 1  # the anchor and the canvas
        positions = context.last + torch.arange(width, device=self.base.device).repeat(len(canvases))
        x = torch.cat([self._embed(context, canvas) for canvas in canvases])  # [rows, hidden]
        hidden = self._canvas_pass(context, x, positions, _canvas_mask(canvases))
        # Row i of a canvas' block predicts its position i: the base's own shift.
        spans = [range(at * width + canvas.leftmost(), (at + 1) * width - 1) for at, canvas in enumerate(canvases)]
        wanted = torch.tensor([row for span in spans for row in span], device=self.base.device)
        return list(self.base.log_probabilities(hidden[wanted]).split([len(span) for span in spans]))

    def score(self, context: KvContext, drafts: DraftTree, *, keep: bool = False) -> list[list[Tensor]]:
        """Per draft, the base's log probabilities [vocab] before each of its tokens and after the last. In the FIM
        layout they are those of a middle, which may end.

        One causal pass for all drafts. Their KV stay in the scratch slots, in the order of the tree's rows; with `keep`
        those of the first are taken over where it becomes part of the prefix next.
        """
        start = self._middle(context.next_log_probabilities.clone())[0]
        if not drafts.tokens:
            return [[start] for _ in drafts.paths]
        own = drafts.mask(self.base.device)
        mask = torch.cat([own.new_ones(len(own), len(context.ids)), own], dim=1)  # [rows, prefix + rows]
        positions = context.last + 1 + torch.tensor(drafts.depths, device=self.base.device)
        hidden = self.base.forward(
            self.base.embed(drafts.tokens), positions, context.cache, context.ORIGIN, context.tail, mask
        )
        if keep:
            path = drafts.paths[0]
            tokens, slots = [drafts.tokens[row] for row in path], [context.tail + row for row in path]
            context.keep_draft_kv(tokens, slots, hidden[path])
        after = self._middle(self.base.log_probabilities(hidden))  # [rows, vocab]
        return [[start, *(after[row] for row in path)] for path in drafts.paths]

    def log_probabilities_at(self, context: KvContext, draft: Sequence[int], starts: Sequence[int]) -> Tensor:
        """The base's log probabilities [starts, vocab] of the draft's tokens at these places, behind the prefix.

        Fewer than all as a head's rows are the most of a pass. The rest as of `states_at`.
        """
        behind = self.base.log_probabilities(self.states_at(context, draft, [start - 1 for start in starts if start]))
        return torch.cat([context.next_log_probabilities, behind]) if 0 in starts else behind

    def states_at(self, context: KvContext, draft: Sequence[int], places: Sequence[int]) -> Tensor:
        """The base's final states [places, hidden] at these tokens of a draft behind the prefix, whose KV stay in the
        scratch slots and are taken over where the draft becomes part of the prefix."""
        own = torch.ones(len(draft), len(draft), dtype=torch.bool).tril_().to(self.base.device)
        mask = torch.cat([own.new_ones(len(own), len(context.ids)), own], dim=1)  # [draft, prefix + draft]
        positions = context.last + 1 + torch.arange(len(draft), device=self.base.device)
        hidden = self.base.forward(self.base.embed(draft), positions, context.cache, context.ORIGIN, context.tail, mask)
        context.keep_draft_kv(draft, range(context.tail, context.tail + len(draft)), hidden)
        return hidden[list(places)]

    def read(self, text: Sequence[int]) -> list[int]:
        """The tokens of a text as a context reads it whose suffix is not seen."""
        return list(text) if self.config.markers is None else self.config.markers.text(text)

    def _middle(self, log_probs: Tensor) -> Tensor:
        """[rows, vocab]; in the FIM layout, in place, all markers count as the end."""
        if self.config.markers is not None:
            end_at_markers(log_probs, self.config.markers)
        return log_probs

    def _noise(self, count: int) -> Tensor:
        """Embeddings of masked positions, [count, hidden]."""
        if self._mask_embedding is None:
            assert not count, "a model without an adapter predicts no masked positions"
            return self.base.embed([])
        return self._mask_embedding.expand(count, -1)

    def _embed(self, context: KvContext, canvas: Canvas) -> Tensor:
        """Anchor and canvas, [1 + positions, hidden]; masked positions take the learned vector."""
        known = [canvas.token(at) for at in range(len(canvas))]
        x = self.base.embed([context.ids[-1], *(token or 0 for token in known)])
        masked = [1 + at for at, token in enumerate(known) if token is None]
        x[masked] = self._noise(len(masked))
        return x

    def _canvas_pass(self, context: KvContext, x: Tensor, positions: Tensor, own: Tensor) -> Tensor:
        """Final states [rows, hidden] of embeddings [rows, hidden].

        All rows see both sides, and of the scratch slots what `own` says, bool [rows, kept + rows]. The anchor's own
        entry is hidden: its row in the canvas stands for it.
        """
        assert context.suffix or self.config.markers, "the suffix is placed before the canvas is computed"
        suffix = len(context.suffix.ids) if context.suffix else 0
        sides = torch.ones(len(x), suffix + len(context.ids), dtype=torch.bool)
        sides[:, -1] = False
        mask = torch.cat([sides, own], dim=1).to(self.base.device)  # [rows, suffix + prefix + kept + rows]
        start = context.tail + own.shape[1] - len(x)
        return self.adapted.forward(x, positions, context.cache, start + len(x) - mask.shape[1], start, mask)


def end_at_markers(log_probs: Tensor, markers: Markers) -> None:
    """In place, [rows, vocab]: all that ends a middle counts as the end token, and no other marker is possible."""
    end = log_probs[:, list(markers.ends)].logsumexp(-1)
    log_probs[:, list(markers.all)] = -torch.inf
    log_probs[:, markers.ends[0]] = end


def _canvas_mask(canvases: Sequence[Canvas]) -> Tensor:
    """bool [rows, rows]: all see what is known of their own canvas; a masked position is seen by itself alone."""
    blocks = []
    for canvas in canvases:
        known = torch.tensor([True, *(canvas.token(at) is not None for at in range(len(canvas)))])
        blocks.append(known | torch.eye(len(known), dtype=torch.bool))
    return torch.block_diag(*blocks)
