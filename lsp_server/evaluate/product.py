"""Answers an evaluation's gaps as the server answers an editor: a document is opened, the cursor stands at the gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from lacuna.engine.api import Infill
from lacuna.engine.evaluate.fills import Fills
from lacuna.engine.evaluate.gaps import EvaluationGap
from lacuna.engine.evaluate.outcome import Answer, Judged, Outcome, Shown
from lacuna.engine.families.gap.confidence import Place
from lacuna.lsp_server.completion.suggester import limited, to_fill
from lacuna.lsp_server.config import DEFAULTS, Config
from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.store import DocumentStore, Snapshot
from lacuna.lsp_server.infill.postprocess import could_stand
from lacuna.lsp_server.infill.question import Question, Trigger, build_question
from lacuna.lsp_server.infill.selection import select
from lacuna.lsp_server.infill.suggestion import Reason, Rejected, Suggestion

SERVER = Path(__file__).parents[1]
# What of the server decides about questions and answers; the rest of this folder reports.
_DECIDING = ("completion", "documents", "infill", "lexing", "config.py", "evaluate/product.py")
_PARSE_MS = 1000.0  # at a time, until the document is parsed: an idle server has done so long before one types


@dataclass(frozen=True)
class Settings:
    """A user's, who sets nothing."""

    config: Config = DEFAULTS
    # What an automatic request affords on the machine of docs/BENCHMARKS.md: fixed, as the answers of a run must not
    # depend on the load of a machine.
    automatic_candidates: int = 2
    asks: bool = True  # whether somebody asks, too; for a confidence model only what comes unasked counts


DEFAULT = Settings()
NOT_ASKED = Answer((), "nobody asked")


class Product:
    """What a user would see at gaps; best asked file by file, as KV caches last from gap to gap."""

    def __init__(self, fills: Fills, settings: Settings = DEFAULT) -> None:
        self._fills, self._settings = fills, settings
        self._exclusion = Exclusion(settings.config.excluded)

    def outcome(self, gap: EvaluationGap) -> Outcome:
        """What is shown to one who types, and to one who asks."""
        snapshot = snapshot_at(gap)
        question = self._question(snapshot, Trigger.AUTOMATIC)
        unasked, judged = self._answer(question, snapshot, gap), None
        if isinstance(question, Question):
            judged = _judged(question, snapshot, self._filled(question, snapshot, gap))
        asked = NOT_ASKED
        if self._settings.asks:
            asked = self._answer(self._question(snapshot, Trigger.INVOKED), snapshot, gap)
        return Outcome(gap, unasked, asked, judged)

    def forget(self, gap: EvaluationGap) -> None:
        """No more gaps of its file will come."""
        self._fills.forget(gap.file.name)

    def _question(self, snapshot: Snapshot, trigger: Trigger) -> Question | Reason:
        question = build_question(snapshot, trigger, self._exclusion, self._fills.extent)
        if isinstance(question, Rejected):
            return question.reason
        return limited(question, self._settings.config.max_lines)  # no other document is open to take snippets from

    def _filled(self, question: Question, snapshot: Snapshot, gap: EvaluationGap) -> list[Infill]:
        config, automatic = self._settings.config, question.trigger is Trigger.AUTOMATIC
        candidates = self._settings.automatic_candidates if automatic else config.num_candidates
        fits = partial(could_stand, question, snapshot)
        return self._fills.of(to_fill(question, config.num_candidates), candidates, gap.file.name, fits)

    def _answer(self, question: Question | Reason, snapshot: Snapshot, gap: EvaluationGap) -> Answer:
        if isinstance(question, Reason):
            return Answer((), question.value)
        infills = self._filled(question, snapshot, gap)
        selected = select(question, snapshot, infills, self._settings.config.confidence)
        if isinstance(selected, Reason):
            return Answer((), selected.value, infills[0].forwards)
        return Answer(tuple(map(_shown, selected)), "", infills[0].forwards)


def snapshot_at(gap: EvaluationGap) -> Snapshot:
    """The file without the gap's text as a document that an editor opened, parsed, with the cursor at the gap.

    It has no place on the disk, so that no ignore file of this machine speaks of it.
    """
    documents, file = DocumentStore(), gap.file
    uri = PurePosixPath("/", file.name).as_uri().replace("file:///", "untitled:", 1)
    document = documents.open(uri, file.language, 1, gap.document)
    while not document.is_parsed:
        document.parse_on(_PARSE_MS)
    position = document.text.position(document.text.place_at(gap.left), documents.encoding)
    return documents.snapshot(uri, position)


def deciding(root: Path = SERVER) -> list[Path]:
    """The server's modules that decide what is asked and what is shown."""
    files = [file for name in _DECIDING if (root / name).is_dir() for file in (root / name).rglob("*.py")]
    return files + [root / name for name in _DECIDING if name.endswith(".py")]


def _judged(question: Question, snapshot: Snapshot, infills: Sequence[Infill]) -> Judged:
    """The first fill of which post-processing leaves anything, as `select` would show it if all of it was sure."""
    place = Place.of(question.gap)
    for infill in infills:
        selected = select(question, snapshot, [replace(infill, confidence=1.0)], 1.0)
        if not isinstance(selected, Reason):
            return Judged(infill.features, place, _shown(selected[0]))
        if selected is Reason.TOO_LITTLE:
            break
    return Judged(infills[0].features, place, None)


def _shown(suggestion: Suggestion) -> Shown:
    return Shown(suggestion.text, suggestion.replaced)
