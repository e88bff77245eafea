"""Loads a model and has it answer once, so that whoever chose one that cannot is told; gives its memory back."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lacuna.engine.api import Gap, Unreachable
from lacuna.lsp_server.config import ModelChoice, ServerChoice
from lacuna.lsp_server.model import auto_loading

if TYPE_CHECKING:
    from lacuna.engine.api import Filler

# Filled before a model is said to be ready.
TRIAL = Gap("def add(a, b):\n    return ", "\n", "python", max_tokens=2, max_lines=1)


@dataclass(frozen=True)
class Loaded:
    filler: Filler
    model: str  # its name or path; of "auto" the one that was chosen
    reason: str  # device, dtype and threads, and why


LoadModel = Callable[[ModelChoice], Loaded]


class ModelError(Exception):
    """The model cannot be loaded, or failed at its work; the message says what to do."""


def load(choice: ModelChoice) -> Loaded:
    """A model that has answered once. Raises ModelError."""
    if choice.server is not None:
        return _on_server(choice.server)
    from lacuna.engine.device import memory, runtime

    try:
        chosen = runtime.choose(choice.device, choice.dtype, choice.threads)  # imports torch: 2 to 4 s
        filler, model = auto_loading.load(choice.model, chosen, choice.adapter)
    except auto_loading.CannotLoadError as error:
        raise ModelError(str(error)) from error
    except Exception as error:  # a device that is not there, a torch that does not load
        raise ModelError(f"the model {choice.model} cannot be loaded: {type(error).__name__}: {error}") from error
    _try_out(model, filler)
    memory.give_back()  # what loading took for a moment
    return Loaded(filler, model, chosen.reason)


def expected(choice: ModelChoice) -> str:
    """The model that will be loaded, for people."""
    return "the engine's server" if choice.server is not None else auto_loading.expected(choice.model)


def _on_server(choice: ServerChoice) -> Loaded:
    """Without torch, which a server's user need not wait for."""
    from lacuna.lsp_server.model import engine_server

    try:
        filler, model, reason = engine_server.opened(choice)
        filler.infill(TRIAL)
    except (ValueError, Unreachable) as error:
        raise ModelError(str(error)) from error
    return Loaded(filler, model, reason)


def failure(error: BaseException) -> str:
    """That a model failed, and what to do."""
    if isinstance(error, Unreachable):
        return str(error)
    return f"the model failed: {in_words(error)}; choose another `model` or `adapter`"


def _try_out(model: str, filler: Filler) -> None:
    from lacuna.engine.device import memory

    try:
        filler.infill(TRIAL)
    except Exception as error:  # as above
        raise ModelError(
            f"the model {model} cannot answer: {memory.explained(error)}; choose another `model` or `adapter`"
        ) from error
    filler.close("")


@contextmanager
def for_good() -> Iterator[None]:
    """What is made here stays: the garbage collector need not look at it, now or later.

    It would take the interpreter from requests for 50 to 120 ms at a time, three times while torch is imported.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def give_back() -> None:
    """Give back the memory of a model that nothing refers to any more."""
    if "torch" not in sys.modules:  # it was on a server
        return
    from lacuna.engine.device import memory

    gc.unfreeze()
    gc.collect()  # what of it is in cycles, too
    gc.freeze()  # other models are still there
    memory.give_back()


def in_words(error: BaseException) -> str:
    """What went wrong. A message may quote the document, except torch's: a device that went away."""
    from lacuna.engine.device import memory

    if memory.is_out(error):
        return memory.explained(error)
    if isinstance(error, RuntimeError):
        return str(error)
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(at.filename).name}, line {at.lineno}"
