"""Asks the model: question, fill, selection. Remembers no text but snippets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from lacuna.engine.api import Gap
from lacuna.lsp_server.completion.draft_budget import DraftBudget
from lacuna.lsp_server.documents.exclude import path_of
from lacuna.lsp_server.documents.store import DocumentStore, Snapshot
from lacuna.lsp_server.infill.postprocess import could_stand
from lacuna.lsp_server.infill.question import Question, Trigger, build_question
from lacuna.lsp_server.infill.selection import select
from lacuna.lsp_server.infill.suggestion import Reason, Rejected, Suggestion
from lacuna.lsp_server.model.engine_thread import Urgency
from lacuna.lsp_server.model.filled import Filled, OnFrame
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.setup import Setup
from lacuna.lsp_server.telemetry.statistics import Outcome, Record


class Suggester:
    """Asks the model, as the settings say."""

    def __init__(self, documents: DocumentStore, setup: Setup) -> None:
        self._documents = documents
        self._setup = setup
        self._worker = setup.worker
        self._config = setup.config
        self._budget = DraftBudget()

    async def suggest(
        self,
        snapshot: Snapshot,
        trigger: Trigger,
        record: Record,
        on_frame: OnFrame | None = None,
        urgency: Urgency = Urgency.KEYSTROKE,
    ) -> tuple[Suggestion, ...] | Outcome | Reason:
        """Suggestions at the snapshot's cursor, the best first, or why there are none. Fills in the record's stages.

        `on_frame` is called by the engine's thread.
        Raises ModelError. Cancelling it stops the engine.
        """
        with record.stage("context"):
            question = build_question(snapshot, trigger, self._setup.exclusion, self._worker.extent)
        if isinstance(question, Rejected):
            return question.reason
        record.kind = question.scope.value
        record.context_chars = len(question.gap.prefix) + len(question.gap.suffix)
        if not self._worker.is_ready:
            return Outcome.NOT_READY
        with record.stage("context"):
            snippets = self._setup.snippets.choose(snapshot, self._documents)
            question = limited(question, self._config.max_lines).with_snippets(snippets)
        filled = await self._fill(question, snapshot, record, on_frame, urgency)
        with record.stage("postprocess"):
            return select(question, snapshot, filled.infills, self._config.confidence)

    async def prefill(self, snapshot: Snapshot) -> None:
        """Has both sides of the snapshot's cursor read, once the model is there. Raises ModelError. Cancelling it stops
        the engine."""
        if self._worker.phase is Phase.LOADING:
            # However it ends: the worker says so. Shielded, as the load goes on where this is cancelled.
            await asyncio.shield(asyncio.gather(self._worker.ready(), return_exceptions=True))
        if not self._worker.is_ready:
            return
        question = build_question(snapshot, Trigger.INVOKED, self._setup.exclusion, self._worker.extent)
        if isinstance(question, Question):
            asked = question.with_snippets(self._setup.snippets.choose(snapshot, self._documents))
            await self._worker.prefill(asked.gap, path_of(snapshot.uri))

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self._worker.forget(path_of(uri))

    async def _fill(
        self, question: Question, snapshot: Snapshot, record: Record, on_frame: OnFrame | None, urgency: Urgency
    ) -> Filled:
        automatic = question.trigger is Trigger.AUTOMATIC
        most = self._config.num_candidates
        record.candidates = self._budget.candidates(self._config.budget_ms, most) if automatic else most
        # By path: the cells of a notebook are read as one text.
        filled = await self._worker.fill(
            to_fill(question, most),
            document=path_of(snapshot.uri),
            num_candidates=record.candidates,
            on_frame=on_frame,
            urgency=urgency,
            fits=partial(could_stand, question, snapshot),
        )
        best = filled.infills[0]
        if automatic:
            self._budget.spent(best.timings, record.candidates)
        record.steps, record.forwards = best.steps, best.forwards
        record.milliseconds |= {"queue": filled.queue_ms, **best.timings}
        return filled


def limited(question: Question, max_lines: int) -> Question:
    """With no more lines than the settings allow."""
    less = question.max_lines - min(question.max_lines, max_lines)
    gap = replace(question.gap, max_lines=question.gap.max_lines - less)
    return replace(question, gap=gap, max_lines=question.max_lines - less)


def to_fill(question: Question, num_candidates: int) -> Gap:
    """What the engine is asked: of use are as many fills as the settings allow, and unasked the best one."""
    return question.gap if question.trigger is Trigger.AUTOMATIC else replace(question.gap, n_best=num_candidates)
