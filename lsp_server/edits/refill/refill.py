"""One block's candidates: asked of the engine, brought into the document's form, checked."""

from __future__ import annotations

from dataclasses import replace

from lacuna.engine.api import NEAR, Extent, Gap, Infill
from lacuna.lsp_server.documents.exclude import Exclusion, path_of
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.edits.refill.block import Block, Unit, text_of
from lacuna.lsp_server.edits.replacement import Replacement
from lacuna.lsp_server.infill.postprocess import postprocess
from lacuna.lsp_server.infill.question import Question, Scope, Trigger, build_question
from lacuna.lsp_server.infill.suggestion import Reason, Rejected, Suggestion
from lacuna.lsp_server.lexing.indentation import leading
from lacuna.lsp_server.model.engine_thread import Urgency
from lacuna.lsp_server.model.worker import Worker

MAX_TOKENS = 480  # of a fill
ASKED_TOKENS = 120  # of the engine at once: its prefix window has room for so much of an unfinished fill
_CHARS_PER_TOKEN = 3.0
_ROOM = 1.5  # by which a refill may be longer than what stood there


class Refill:
    """The candidates for one block that differ from it, the best first, each worked out when it is first asked for."""

    def __init__(self, snapshot: Snapshot, block: Block, hollow: Snapshot, question: Question, candidates: int) -> None:
        """`hollow` is the document without the block."""
        self._block = block
        self._hollow = hollow
        self._question = question
        self._most = candidates
        self._left: list[Infill] | None = None  # None: the engine was not asked yet
        self._found: list[Replacement] = []
        self._known = {_without_space(text_of(snapshot, block))}
        self._reason = Reason.EMPTY

    @property
    def count(self) -> int:
        """How many candidates there are, as far as is known: at most so many."""
        left = self._most if self._left is None else len(self._left)
        return len(self._found) + left

    async def candidate(self, number: int, worker: Worker) -> Replacement | Reason:
        """A candidate, or why there are not so many. Raises ModelError. When cancelled, what was found is kept."""
        if self._left is None:
            gap, document = _beginning(replace(self._question.gap, n_best=self._most)), path_of(self._hollow.uri)
            asked = worker.fill(gap, document=document, num_candidates=self._most, urgency=Urgency.ON_REQUEST)
            self._left = list((await asked).infills)
        while number >= len(self._found) and self._left:
            text = await self._finished(self._left[0], worker)
            del self._left[0]
            self._take(text)
        return self._found[number] if number < len(self._found) else self._reason

    def _take(self, fill: str) -> None:
        result = postprocess(self._question, self._hollow, fill)
        if isinstance(result, Rejected):
            self._reason = result.reason
        elif _without_space(result.text) in self._known:
            self._reason = Reason.AS_IT_IS
        else:
            self._known.add(_without_space(result.text))
            self._found.append(_replacement(self._block, result))

    async def _finished(self, infill: Infill, worker: Worker) -> str:
        """A fill to its end, asked for piece by piece; the whole lines of it where there is none."""
        gap = self._question.gap
        text, left = infill.text, gap.max_tokens - infill.features.tokens
        while not infill.features.ended and infill.text and left > 0 and not _has_all_lines(gap, text):
            lines = gap.max_lines - text.count("\n") if gap.max_lines else 0
            rest = _beginning(replace(gap, prefix=gap.prefix + text, max_tokens=left, max_lines=lines, n_best=1))
            asked = worker.fill(rest, document=path_of(self._hollow.uri), urgency=Urgency.ON_REQUEST)
            infill = (await asked).infills[0]
            text, left = text + infill.text, left - infill.features.tokens
        is_whole = infill.features.ended or "\n" not in text.strip()
        return text if is_whole else text.rpartition("\n")[0]


def question_of(
    snapshot: Snapshot, block: Block, hollow: Snapshot, exclusion: Exclusion, extent: Extent = NEAR
) -> Question | Rejected:
    """The question whose answer takes the block's place; `hollow` is the document without it."""
    question = build_question(hollow, Trigger.INVOKED, exclusion, extent)
    if isinstance(question, Rejected):
        return question
    text = text_of(snapshot, block)
    scope = _scope(block, text, question)
    max_lines = 1 if scope is Scope.REST_OF_LINE else int(_ROOM * (text.count("\n") + 1)) + 4
    max_tokens = min(int(_ROOM * len(text) / _CHARS_PER_TOKEN) + 24, MAX_TOKENS)
    # What begins in mid-line goes on no further left than its line.
    indentation = question.indentation if question.on_blank_line else leading(snapshot.text.line(block.start.line))
    gap = replace(question.gap, max_tokens=max_tokens, max_lines=max_lines)
    return replace(question, gap=gap, scope=scope, max_lines=max_lines, indentation=indentation)


def _scope(block: Block, text: str, question: Question) -> Scope:
    if block.unit is Unit.LINE or (block.unit in (Unit.SELECTION, Unit.DIAGNOSTIC) and "\n" not in text):
        return Scope.REST_OF_LINE
    return Scope.STATEMENT if block.unit is Unit.STATEMENT and question.on_blank_line else Scope.BLOCK


def _beginning(gap: Gap) -> Gap:
    return replace(gap, max_tokens=min(gap.max_tokens, ASKED_TOKENS))


def _replacement(block: Block, suggestion: Suggestion) -> Replacement:
    end = block.end._replace(column=block.end.column + suggestion.replaced)
    return Replacement(suggestion.text, block.start, end)


def _has_all_lines(gap: Gap, text: str) -> bool:
    return bool(gap.max_lines) and text.count("\n") >= gap.max_lines


def _without_space(text: str) -> str:
    return "".join(text.split())
