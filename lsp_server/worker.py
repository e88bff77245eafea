"""The one thread that owns the engine: it loads models and fills gaps. Torch is first imported there."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from engine.gap import NEAR, Frame, Gap, Infill, Stopped
from lsp_server.config import ModelChoice

if TYPE_CHECKING:
    from engine.filler import Filler

OnFrame = Callable[[Frame], None]
Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class ModelError(Exception):
    """The model cannot be loaded, or failed at its work; the message says what to do."""


@dataclass(frozen=True)
class Filled:
    """What the engine made of a gap."""

    infills: tuple[Infill, ...]  # the best first, at least one
    queue_ms: float  # from the question until the engine took it up


class Worker:
    """Takes one thing after the other. Whoever asks anew cancels first what was asked before."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._filler: Filler | None = None  # the thread's own
        self._loaded: ModelChoice | None = None
        self._reason = ""  # for device, dtype and threads
        self._change: Future[str] | Future[None] | None = None  # of the model: the one that was asked for last
        self.is_ready = False  # whether there is a model to ask
        self.can_rewrite = False  # whether that model follows instructions
        self.extent = NEAR  # what it reads of a document
        self.finished = 0  # questions that were worked out
        self.stopped = 0  # questions that were taken up, and left when the stop flag was seen

    async def load(self, choice: ModelChoice) -> str:
        """Load a model in place of the present one. Returns device, dtype and threads with the reason for them.

        When this is cancelled the model is loaded all the same, but not asked. Raises ModelError.
        """
        self.is_ready = self.is_ready and choice == self._loaded  # another connection may have it already
        loading = self._change = self._executor.submit(self._load, choice)
        reason = await asyncio.wrap_future(loading)
        self.is_ready = True
        return reason

    async def unload(self) -> None:
        """Give the model's memory back."""
        self.is_ready = False
        unloading = self._change = self._executor.submit(self._unload)
        await asyncio.wrap_future(unloading)

    @property
    def is_changing(self) -> bool:
        """Whether a model is being loaded or given up, or is going to be."""
        return self._change is not None and not self._change.done()

    async def fill(self, gap: Gap, *, document: str, drafts: int = 1, on_frame: OnFrame | None = None) -> Filled:
        """Fill a gap; what is read of `document` is kept. Cancelling this makes the engine stop before its next pass.

        `on_frame` is called in the engine's thread after every denoising step, and should return at once.

        Raises ModelError, also where a model is loaded or unloaded meanwhile.
        """
        stop = Event()
        work = partial(self._fill, gap, document, drafts, stop, time.perf_counter(), on_frame)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            stop.set()

    async def ask(self, work: Callable[[Filler, Event], Result]) -> Result:
        """Have the engine do something else than fill a gap, in its thread. Cancelling this sets the event.

        Raises ModelError.
        """
        stop = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._ask, work, stop)
        finally:
            stop.set()

    def forget(self, document: str) -> None:
        """Free what is kept of a document."""
        self._executor.submit(self._forget, document)

    def close(self) -> None:
        """Take no more questions."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _load(self, choice: ModelChoice) -> str:
        if choice == self._loaded:  # another connection's
            return self._reason
        self._unload()  # two models at once may be more than the memory holds
        with _for_good():
            reason = self._load_anew(choice)
        self._loaded, self._reason = choice, reason
        return reason

    def _load_anew(self, choice: ModelChoice) -> str:
        from engine import filler, hub, memory, runtime, weights  # imports torch: 2 to 4 s

        try:
            chosen = runtime.choose(choice.device, choice.dtype, choice.threads)
            self._filler = filler.load(choice.model, chosen, choice.adapter)
            self.can_rewrite, self.extent = self._filler.can_rewrite, self._filler.extent
        except (hub.ModelMissing, weights.WeightsError) as error:
            raise ModelError(str(error)) from error
        except (OSError, ValueError, LookupError, RuntimeError) as error:
            raise ModelError(f"the model {choice.model} cannot be loaded: {type(error).__name__}: {error}") from error
        memory.give_back()  # what loading took for a moment
        return chosen.reason

    def _unload(self) -> None:
        if self._filler is not None:
            from engine import memory

            self._filler = None
            gc.unfreeze()
            gc.collect()  # what of it is in cycles, too
            memory.give_back()
        self._loaded, self.can_rewrite = None, False

    def _fill(
        self, gap: Gap, document: str, drafts: int, stop: Event, asked: float, on_frame: OnFrame | None
    ) -> Filled:
        start = time.perf_counter()
        steps = 0

        def count(frame: Frame) -> None:
            nonlocal steps
            steps = frame.step
            if on_frame is not None:
                on_frame(frame)

        if self._filler is None:
            raise ModelError("there is no model")
        try:
            infills = self._filler.infill(gap, document=document, drafts=drafts, stop=stop, on_frame=count)
        except Stopped:
            self.stopped += 1
            _log.debug("the engine stopped after %d steps, %.0f ms", steps, _milliseconds_since(start))
            raise
        except RuntimeError as error:  # torch's: out of memory, a device that went away
            raise ModelError(f"the model failed: {error}") from error
        self.finished += 1
        return Filled(tuple(infills), (start - asked) * 1000.0)

    def _ask(self, work: Callable[[Filler, Event], Result], stop: Event) -> Result:
        if self._filler is None:
            raise ModelError("there is no model")
        try:
            return work(self._filler, stop)
        except RuntimeError as error:
            raise ModelError(f"the model failed: {error}") from error

    def _forget(self, document: str) -> None:
        if self._filler is not None:
            self._filler.close(document)


@contextmanager
def _for_good() -> Iterator[None]:
    """What is made here stays: the garbage collector need not look at it, now or later.

    It would take the interpreter from requests for 50 to 120 ms at a time, three times while torch is imported.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000.0
