"""Fills for the endpoint's clients, by the way of a keystroke: question, fill, selection."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from lacuna.engine.api import Infill
from lacuna.lsp_server.completion.latest_only import LatestOnly
from lacuna.lsp_server.completion.suggester import limited
from lacuna.lsp_server.config import Config
from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.store import DocumentStore, Snapshot
from lacuna.lsp_server.endpoint.wanted import Wanted
from lacuna.lsp_server.infill.postprocess import could_stand
from lacuna.lsp_server.infill.question import Question, Trigger, build_question
from lacuna.lsp_server.infill.selection import select
from lacuna.lsp_server.infill.suggestion import Reason, Rejected, Suggestion
from lacuna.lsp_server.model.worker import Worker

CLIENTS = 16  # of which the newest request is known
_PARSE_MS = 20.0  # that the text may take to be parsed; syntax is not looked at where that is not enough


@dataclass(frozen=True)
class Fill:
    text: str  # "" where nothing is sure enough
    tokens: int = 0
    log_probabilities: tuple[tuple[str, float], ...] = ()  # per token of `text`; none where it was cut or changed
    milliseconds: float = 0.0
    is_cut: bool = False  # it goes on, and there was no more room for it


NOTHING = Fill("")


class Filling:
    """One model for all clients; of each the newest request wins."""

    def __init__(self, worker: Worker, config: Config, shows_all: bool) -> None:
        """`shows_all`: also what is not sure enough to be shown unasked."""
        self._worker, self._shows_all = worker, shows_all
        self._config = replace(config, confidence=0.0) if shows_all else config
        self._exclusion = Exclusion(config.excluded)
        self._latest: OrderedDict[str, LatestOnly[list[Fill]]] = OrderedDict()

    async def fill(self, wanted: Wanted, client: str) -> list[Fill] | None:
        """At least one, the best first; None where the client has asked for something else since. Raises ModelError.
        Cancelling it stops the engine."""
        latest = self._latest.setdefault(client, LatestOnly())
        self._latest.move_to_end(client)
        for idle in [name for name, one in self._latest.items() if not one.is_busy and name != client][:-CLIENTS]:
            del self._latest[idle]
        return await latest.run(wanted, lambda: self._fill(wanted, client))

    async def _fill(self, wanted: Wanted, client: str) -> list[Fill]:
        if not wanted.max_tokens:
            return [NOTHING]
        prepared = await asyncio.to_thread(self._question, wanted)  # a long text is not to hold up other clients
        if prepared is None:
            return [NOTHING]
        question, snapshot = prepared
        filled = await self._worker.fill(
            question.gap,
            document=f"{client} {wanted.path}",
            num_candidates=wanted.count,
            fits=partial(could_stand, question, snapshot),
        )
        return await asyncio.to_thread(self._selected, wanted, question, snapshot, filled.infills)

    def _question(self, wanted: Wanted) -> tuple[Question, Snapshot] | None:
        """None where nothing is filled."""
        snapshot = _snapshot(wanted)
        trigger = Trigger.INVOKED if self._shows_all else Trigger.AUTOMATIC
        question = build_question(snapshot, trigger, self._exclusion, self._worker.extent)
        if isinstance(question, Rejected):
            return None
        question = limited(question, self._config.max_lines).with_snippets(wanted.snippets)
        gap = replace(question.gap, n_best=wanted.count, max_tokens=min(question.gap.max_tokens, wanted.max_tokens))
        return replace(question, gap=gap), snapshot

    def _selected(
        self, wanted: Wanted, question: Question, snapshot: Snapshot, infills: tuple[Infill, ...]
    ) -> list[Fill]:
        found = select(question, snapshot, infills, self._config.confidence)
        if isinstance(found, Reason):
            return [NOTHING]
        added = (_added(one, wanted.suffix) for one in found)
        texts = [text for text in added if text is not None]
        return [_fill(wanted.cut(text), infills) for text in texts[: wanted.count]] or [NOTHING]


def _added(suggestion: Suggestion, suffix: str) -> str | None:
    """What of a suggestion can be put in at the cursor; None where it replaces what stands behind it by other text."""
    replaced = suffix[: suggestion.replaced]
    return suggestion.text.removesuffix(replaced) if suggestion.text.endswith(replaced) else None


def _fill(text: str, infills: tuple[Infill, ...]) -> Fill:
    whole = next((one for one in infills if one.text == text), None)
    milliseconds = sum(infills[0].timings.values())
    if whole is None:
        return Fill(text, max(1, len(text) // 4) if text else 0, (), milliseconds)
    return Fill(text, whole.features.tokens, whole.pieces, milliseconds, not whole.features.ended)


def _snapshot(wanted: Wanted) -> Snapshot:
    """The text as a document, parsed if that is quick, with the cursor at the gap. It has no place on the disk."""
    documents = DocumentStore()
    others = (PurePosixPath(one.path).suffix for one in reversed(wanted.snippets))  # which say the language, at least
    name = PurePosixPath(wanted.path).name or f"untitled{next(filter(None, others), '')}"
    uri = PurePosixPath("/", name).as_uri().replace("file:///", "untitled:", 1)
    document = documents.open(uri, "", 1, wanted.prefix + wanted.suffix)
    if not document.is_parsed:
        document.parse_on(_PARSE_MS)
    position = document.text.position(document.text.place_at(len(wanted.prefix)), documents.encoding)
    return documents.snapshot(uri, position)
