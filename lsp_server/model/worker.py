"""A model behind the engine's thread: its lifecycle, and typed requests that wait their turn. Torch is first imported
there."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, TypeVar, cast

from lacuna.engine.api import (
    NEAR,
    Extent,
    Fits,
    Frame,
    Gap,
    Infill,
    Passage,
    Patch,
    Patched,
    RewriteRequest,
    Rewrites,
    Stopped,
    Surprise,
    anything,
)
from lacuna.engine.diff_api import ContinuesDiffs, DiffQuestion, KnowsEdits, LineChange, LineEdit
from lacuna.lsp_server import log
from lacuna.lsp_server.config import ModelChoice
from lacuna.lsp_server.model.engine_thread import EngineThread, Urgency
from lacuna.lsp_server.model.filled import Filled, OnFrame
from lacuna.lsp_server.model.loading import LoadModel, ModelError, expected, failure, for_good, give_back
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.warm_up import WarmUp

if TYPE_CHECKING:
    from lacuna.engine.api import Filler

RETRY_SECONDS = 2.0  # after which a model that was not there is looked for again: it may have been pulled
NO_MODEL = "there is no model"

Result = TypeVar("Result")
_Request = Callable[["Filler", Event], Result]

_log = logging.getLogger(__name__)


class Worker:
    """One model, which several clients may use. It computes one request at a time, the most urgent first."""

    def __init__(self, thread: EngineThread, choice: ModelChoice | None, load_model: LoadModel) -> None:
        """`choice`: which model it will be; None for no model, which is asked in vain."""
        self.choice = choice
        self.model = ""  # the name or path of the one that is loaded, or will be
        self.phase = Phase.GONE
        self.note = ""  # device, dtype and threads with the reason for them, or why there is no model
        self.can_rewrite = False  # whether the model follows instructions
        self.is_in_fim_layout = self.knows_edits = False
        self.extent: Extent = NEAR  # what it reads of a document
        self.finished = 0  # requests that were worked out
        self.stopped = 0  # requests that were begun, and left when the stop flag was seen
        self.audience = log.Audience()  # who is told what the thread logs of it
        self._thread = thread
        self._load_model = load_model
        self._filler: Filler | None = None  # the thread's own
        self._warm_up: WarmUp | None = None  # the filler's
        self._loading: Future[str] | None = None  # what was begun last
        self._failed_at = self._asked_at = 0.0  # monotonic seconds
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_ready(self) -> bool:
        """Whether there is a model to ask."""
        return self.phase is Phase.READY

    @property
    def progress(self) -> str:
        """Of what is prepared while the model is ready already; "" where nothing is."""
        return self._warm_up.progress if self._warm_up is not None else ""

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this, in the event loop, whenever the phase changes, until `ignore`."""
        self._listeners.append(listener)

    def ignore(self, listener: Callable[[], None]) -> None:
        self._listeners = [one for one in self._listeners if one != listener]

    def want(self) -> None:
        """Another client wants the model: load it, or look once more whether it is there."""
        if self.phase in (Phase.GONE, Phase.FAILED, Phase.RESTING):
            self.load()

    def load(self) -> None:
        """Have the model, or try again. Returns at once; `phase` and `note` say what came of it."""
        assert self.choice is not None, "there is a model to load"
        self.model = expected(self.choice)
        self._begin()
        self._become(Phase.LOADING, "")

    def retry(self) -> None:
        """A request comes: load a model that rests, and silently try again one that could not be loaded a while ago."""
        if self.phase is Phase.RESTING:
            self.load()
        is_loading = self._loading is not None and not self._loading.done()
        if self.phase is Phase.FAILED and not is_loading and time.monotonic() - self._failed_at >= RETRY_SECONDS:
            self._begin()

    def rest(self, seconds: float) -> None:
        """If nobody has asked for so long, give the model's memory back until somebody does."""
        if self.is_ready and self.choice and not self.choice.server and time.monotonic() - self._asked_at > seconds:
            self.give_up(Phase.RESTING)

    async def ready(self) -> str:
        """Wait for the load that was begun last; `note`. Raises ModelError."""
        assert self._loading is not None, "it is loading, or was loaded"
        return await asyncio.wrap_future(self._loading)

    def give_up(self, phase: Phase) -> None:
        """Nobody asks any more, or not for now: give the model's memory back."""
        if self._loading is not None:
            self._loading.cancel()  # if it has not begun
            with self.audience.addressed():
                self._thread.submit(Urgency.MODEL, lambda _: self._unload())
        self._loading = None
        self._become(phase, "")

    async def fill(
        self,
        gap: Gap,
        *,
        document: str,
        num_candidates: int = 1,
        on_frame: OnFrame | None = None,
        urgency: Urgency = Urgency.KEYSTROKE,
        fits: Fits = anything,
    ) -> Filled:
        """Fill a gap; what is read of `document` is kept. Cancelling this makes the engine stop before its next pass.

        `on_frame` is called in the engine's thread after every denoising step, and should return at once; `fits` there
        too, whenever a fill is whole. Raises ModelError, as all requests do where there is no model or it fails.
        """
        work = partial(self._fill, gap, document, num_candidates, time.perf_counter(), on_frame, fits)
        return await self._run(urgency, work)

    async def prefill(self, gap: Gap, document: str) -> None:
        """Reads both sides of a gap of a document, for whoever types there soon. Raises ModelError."""
        await self._asked(Urgency.PREFETCH, lambda filler, stop: filler.prefill(gap, document=document, stop=stop))

    async def surprises(self, passage: Passage, deadline: float = math.inf) -> tuple[Surprise, ...]:
        """The words of a passage that an edit elsewhere made less likely, from left to right. Raises ModelError, and
        TooLate where it would be begun, or begun again, after `deadline`, a time.monotonic()."""
        return await self._asked(Urgency.NEXT_EDIT, lambda filler, stop: filler.surprises(passage, stop=stop), deadline)

    async def patch(self, patch: Patch, deadline: float = math.inf) -> Patched:
        """Fillings of all holes of a patch, the best first. Raises what `surprises` does."""
        return await self._asked(Urgency.NEXT_EDIT, lambda filler, stop: filler.patch(patch, stop=stop), deadline)

    async def continue_diff(self, question: DiffQuestion, deadline: float) -> tuple[LineChange, ...]:
        """Changes of lines that follow from a user's, found until `deadline`, however often it is interrupted. Only
        where `is_in_fim_layout`. Raises what `surprises` does."""
        return await self._until(
            deadline,
            lambda filler, stop, left: cast("ContinuesDiffs", filler).continue_diff(question, stop=stop, budget=left),
        )

    async def next_edit(self, question: DiffQuestion, least: float, deadline: float) -> LineEdit | None:
        """What becomes of a question's lines. Only where `knows_edits`, and else as `continue_diff`."""
        return await self._until(
            deadline,
            lambda filler, stop, left: cast("KnowsEdits", filler).next_edit(question, least, stop=stop, budget=left),
        )

    async def rewrite(self, request: RewriteRequest) -> str:
        """A block as an instruction wants it. Only where `can_rewrite`. Raises ModelError."""
        return await self._asked(
            Urgency.ON_REQUEST, lambda filler, stop: cast("Rewrites", filler).rewrite(request, stop=stop)
        )

    def forget(self, document: str) -> None:
        """Free what is kept of a document."""
        self._thread.submit(Urgency.MODEL, lambda _: self._forget(document))

    def _begin(self) -> None:
        with self.audience.addressed():
            loading = self._loading = self._thread.submit(Urgency.MODEL, lambda _: self._load())
            asyncio.wrap_future(loading).add_done_callback(partial(self._loaded, loading))

    def _loaded(self, loading: Future[str], done: asyncio.Future[str]) -> None:
        """A load has ended. What it says counts only if no other was begun since, and the model is still wanted."""
        error = None if done.cancelled() else done.exception()
        if loading is not self._loading or done.cancelled():
            return
        if error is None:
            self._become(Phase.READY, done.result())
            if self._warm_up is not None:
                self._warm_up.begin()
            return
        self._failed_at = time.monotonic()
        is_foreseen = isinstance(error, ModelError)
        note = str(error) if is_foreseen else f"the model cannot be loaded: {type(error).__name__}: {error}"
        if note != self.note:
            _log.error("%s", note, exc_info=None if is_foreseen else error)
        self._become(Phase.FAILED, note)

    def _become(self, phase: Phase, note: str) -> None:
        if (warm_up := self._warm_up) is not None:  # which the thread may take away meanwhile
            warm_up.end()
        self.phase, self.note, self._asked_at = phase, note, time.monotonic()
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    async def _asked(self, urgency: Urgency, request: _Request[Result], deadline: float = math.inf) -> Result:
        return await self._run(urgency, lambda stop: self._answered(request, stop), deadline)

    async def _until(self, deadline: float, request: Callable[[Filler, Event, float], Result]) -> Result:
        def attempt(filler: Filler, stop: Event) -> Result:
            return request(filler, stop, deadline - time.monotonic())  # what is left for it

        return await self._asked(Urgency.NEXT_EDIT, attempt, deadline)

    async def _run(self, urgency: Urgency, work: Callable[[Event], Result], deadline: float = math.inf) -> Result:
        if self.phase is Phase.GONE:
            raise ModelError(NO_MODEL)
        self._asked_at = time.monotonic()
        return await self._thread.run(urgency, work, deadline)

    def _answered(self, request: _Request[Result], stop: Event, document: str = "") -> Result:
        if self._filler is None:
            raise ModelError(NO_MODEL)
        try:
            return request(self._filler, stop)
        except Stopped:
            raise
        except Exception as error:  # whatever a model's files bring about: the caller is told
            self._filler.close(document)  # what was read may be half of it
            raise ModelError(failure(error)) from error

    def _fill(
        self,
        gap: Gap,
        document: str,
        num_candidates: int,
        asked: float,
        on_frame: OnFrame | None,
        fits: Fits,
        stop: Event,
    ) -> Filled:
        start = time.perf_counter()
        steps = 0

        def count(frame: Frame) -> None:
            nonlocal steps
            steps = frame.step
            if on_frame is not None:
                on_frame(frame)

        def infill(filler: Filler, stop: Event) -> list[Infill]:
            return filler.infill(
                gap, document=document, num_candidates=num_candidates, stop=stop, on_frame=count, fits=fits
            )

        try:
            infills = self._answered(infill, stop, document)
        except Stopped:
            self.stopped += 1
            _log.debug("the engine stopped after %d steps, %.0f ms", steps, (time.perf_counter() - start) * 1000.0)
            raise
        self.finished += 1
        return Filled(tuple(infills), (start - asked) * 1000.0)

    def _load(self) -> str:
        assert self.choice is not None, "there is a model to load"
        self._unload()
        with for_good():
            loaded = self._load_model(self.choice)
        self._filler, self.model = loaded.filler, loaded.model
        self._warm_up = WarmUp(loaded.filler, self._thread, self._tell)
        self.can_rewrite, self.extent = isinstance(loaded.filler, Rewrites), loaded.filler.extent
        self.is_in_fim_layout = isinstance(loaded.filler, ContinuesDiffs) and loaded.filler.knows_diffs
        self.knows_edits = isinstance(loaded.filler, KnowsEdits) and loaded.filler.knows_edits
        _log.info("%s is ready: %s", loaded.model, loaded.reason)
        return loaded.reason

    def _unload(self) -> None:
        if self._warm_up is not None:  # it came with the filler
            self._warm_up.forget()
            self._filler = self._warm_up = None
            give_back()

    def _forget(self, document: str) -> None:
        if self._filler is not None:
            self._filler.close(document)
