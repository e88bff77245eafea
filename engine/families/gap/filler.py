"""The gap family's filler: one loaded model, and a session for each of the documents used last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

import torch

from lacuna.engine.api import (
    NEAR,
    Fits,
    Frame,
    Gap,
    Infill,
    Passage,
    Patch,
    Patched,
    Surprise,
    anything,
)
from lacuna.engine.diff_api import DiffQuestion, LineChange, LineEdit
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits import diff_continuation, edit_writer, patcher, surprise_scorer
from lacuna.engine.families.gap.edits.diff_continuation import DiffContinuation
from lacuna.engine.families.gap.edits.edit_writer import EditWriter
from lacuna.engine.families.gap.edits.fim_patcher import FimPatcher
from lacuna.engine.families.gap.edits.patcher import Patcher
from lacuna.engine.families.gap.edits.surprise_scorer import Scorer
from lacuna.engine.families.gap.edits.two_versions import TwoVersions
from lacuna.engine.families.gap.session import Session
from lacuna.engine.families.shared.checks import Checks
from lacuna.engine.families.shared.per_document import PerDocument
from lacuna.engine.text.byte_bpe import Tokenizer

SESSIONS = 4  # documents whose KV caches are kept, 20 MB a context in bfloat16


class GapFiller:
    """Fills gaps, one at a time: it is used from one thread."""

    extent = NEAR

    def __init__(
        self, denoiser: GapDenoiser, tokenizer: Tokenizer, threads: int, edits: EditWriter | None = None
    ) -> None:
        """`threads`: CPU threads to use at most; 0 where the passes run elsewhere. `edits`: of an adapter that was
        taught with real ones."""
        self.denoiser = denoiser
        self.tokenizer = tokenizer
        self._checks = Checks(threads)
        self._sessions = PerDocument(lambda: Session(self.denoiser, self.tokenizer), SESSIONS)
        versions = TwoVersions(denoiser, tokenizer)
        markers = denoiser.config.markers
        # SmolLM2, the base without them, was not looked at: it is too small.
        self.knows_diffs = markers is not None
        self._patcher: Patcher | FimPatcher = (
            Patcher(denoiser, tokenizer, versions)
            if markers is None
            else FimPatcher(denoiser, tokenizer, versions, markers)
        )
        self._scorer = Scorer(denoiser, tokenizer, versions)
        self._diffs: DiffContinuation | None = None  # two KV caches, which not everybody needs
        self.edits = edits
        self.knows_edits = edits is not None

    def infill(
        self,
        gap: Gap,
        *,
        document: str = "",
        num_candidates: int = 1,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        fits: Fits = anything,
    ) -> list[Infill]:
        """With the document's session."""
        check = self._checks.until(stop)
        return self._sessions.of(document).infill(gap, num_candidates, check, on_frame, fits=fits)

    @torch.inference_mode()
    def prefill(self, gap: Gap, *, document: str = "", stop: Event | None = None) -> None:
        """With the document's session."""
        self._sessions.of(document).prefill(gap, self._checks.until(stop))

    def patch(
        self,
        patch: Patch,
        *,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        budget: float | None = None,
    ) -> Patched:
        """Without a budget within `patcher.SECONDS`."""
        seconds = patcher.SECONDS if budget is None else budget
        return self._patcher.patch(patch, self._checks.until(stop), on_frame, seconds)

    def surprises(
        self, passage: Passage, *, stop: Event | None = None, budget: float | None = None
    ) -> tuple[Surprise, ...]:
        """Without a budget within `surprise_scorer.SECONDS`."""
        seconds = surprise_scorer.SECONDS if budget is None else budget
        return self._scorer.surprises(passage, self._checks.until(stop), seconds)

    def continue_diff(
        self, question: DiffQuestion, *, stop: Event | None = None, budget: float | None = None
    ) -> tuple[LineChange, ...]:
        """Without a budget within `diff_continuation.SECONDS`."""
        if self._diffs is None:
            self._diffs = DiffContinuation(self.denoiser, self.tokenizer)
        seconds = diff_continuation.SECONDS if budget is None else budget
        return self._diffs.changes(question, self._checks.until(stop), seconds)

    def next_edit(
        self, question: DiffQuestion, least: float = 0.0, *, stop: Event | None = None, budget: float | None = None
    ) -> LineEdit | None:
        """Without a budget within `edit_writer.SECONDS`."""
        assert self.edits is not None, "only a model that knows edits is asked for one"
        seconds = edit_writer.SECONDS if budget is None else budget
        return self.edits.next_edit(question, least, self._checks.until(stop), seconds)

    @property
    def launches(self) -> str:
        """Of the base's passes, and the denoiser's."""
        return self.denoiser.base.launches

    def warm_ups(self) -> Sequence[Callable[[], None]]:
        """Of the denoiser."""
        return self.denoiser.warm_ups()

    def close(self, document: str) -> None:
        """Its KV caches are freed."""
        self._sessions.forget(document)
