"""Loads a model by name, by path, or the one that "auto" stands for, whose speed is measured where it is not known."""

from __future__ import annotations

import gc
import logging
from datetime import date
from typing import TYPE_CHECKING

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.store import model_store
from lacuna.engine.untrusted.load_error import LoadError
from lacuna.lsp_server.model import keystrokes, measurements
from lacuna.lsp_server.model.auto import AUTO, CANDIDATE_NAMES, AutoChoice, Pulled, choose, is_fast_enough, to_pull
from lacuna.lsp_server.model.keystrokes import Speed
from lacuna.lsp_server.model.measurements import Conditions, Measurement

if TYPE_CHECKING:
    from lacuna.engine.api import Filler

_log = logging.getLogger(__name__)


class CannotLoadError(Exception):
    """A model that was named or chosen cannot be loaded; the message names it and says what is wrong."""


def load(model: str, runtime: Runtime, adapter: str = "") -> tuple[Filler, str]:
    """The model and its name; of "auto" the best that is pulled, once its speed is known where that matters.

    Raises CannotLoadError, also for one that "auto" has chosen: that is no reason to take another one.
    """
    if model != AUTO:
        return _loaded(model, runtime, adapter), model
    candidates = Candidates(runtime, adapter)
    while True:
        choice = candidates.choice()
        filler = _loaded(choice.model, runtime, adapter)
        if choice.is_to_be_measured:
            candidates.measured(choice.model, _speed(choice.model, filler))
        found = candidates.choice()
        if found.model == choice.model:
            _log_choice(found)
            return filler, choice.model
        del filler  # it is too slow
        give_back()


def pulled() -> tuple[str, ...]:
    """The candidates that are on this machine, the best first; they may be damaged."""
    return tuple(filter(model_store.is_stored, CANDIDATE_NAMES))


def missing(model: str) -> str | None:
    """What to pull where the model that a value of the setting `model` stands for is not on this machine; None where a
    pull would not help."""
    if model == AUTO and pulled():
        return None
    name = to_pull(model)
    return name if model_store.is_missing(name) else None


def expected(model: str) -> str:
    """The model that a value of the setting `model` will be, for people. Looks at no more than what is pulled."""
    names = pulled()
    if model != AUTO or len(names) > 1:
        return model
    return choose({name: Pulled() for name in names}).model


class Candidates:
    """What is known of the candidates on this machine."""

    def __init__(self, runtime: Runtime | None, adapter: str) -> None:
        """`runtime`: what they would be loaded for; None where that is not known. Create it before any is loaded."""
        self._runtime = runtime
        self._adapter = adapter
        self._pulled = pulled()
        self._speeds: measurements.Measurements = {}
        self._available: int | None = None
        if runtime is not None and len(self._pulled) > 1:  # with a single one there is nothing to find out
            from lacuna.engine.device import memory

            self._speeds = measurements.known(measurements.default_path())
            self._available = memory.available(runtime)

    def choice(self) -> AutoChoice:
        return choose({name: self._known(name) for name in self._pulled}, self._available)

    def measured(self, name: str, speed: Speed) -> None:
        """A candidate was loaded, and was so fast. If it was too slow on a busy machine, that counts for a day."""
        assert self._runtime is not None, "it was loaded"
        conditions = Conditions.of(name, self._adapter, self._runtime)
        is_doubtful = speed.is_disturbed and not is_fast_enough(name, speed.p50_ms)
        day = date.today().isoformat() if is_doubtful else ""
        self._speeds[conditions] = Measurement(round(speed.p50_ms, 1), day)
        measurements.keep(measurements.default_path(), conditions, self._speeds[conditions])

    def _known(self, name: str) -> Pulled:
        """Nothing is held against what cannot be read: loading it says what is wrong."""
        from lacuna.engine import load as families

        if self._runtime is None:
            return Pulled()
        p50_ms = self._p50_ms(Conditions.of(name, self._adapter, self._runtime)) if self._speeds else None
        if self._available is None:
            return Pulled(p50_ms)
        try:
            needed = families.needed(name, self._runtime).total
            takes_adapter = not self._adapter or families.takes_adapter(name, self._adapter)
        except (model_store.ModelMissing, OSError, ValueError, LookupError):
            return Pulled(p50_ms)
        return Pulled(p50_ms, needed, takes_adapter)

    def _p50_ms(self, conditions: Conditions) -> float | None:
        found = self._speeds.get(conditions)
        return found.p50_ms if found is not None and found.counts else None


def give_back() -> None:
    """The memory of a model that is not to be used."""
    from lacuna.engine.device import memory

    gc.collect()
    memory.give_back()


def _loaded(model: str, runtime: Runtime, adapter: str) -> Filler:
    from lacuna.engine import load as families  # imports torch

    try:
        return families.load(model, runtime, adapter)
    except model_store.ModelMissing as error:
        raise CannotLoadError(str(error)) from error
    except LoadError as error:
        raise CannotLoadError(f"the model {model} cannot be loaded: {error}") from error
    except Exception as error:  # whatever its files bring about
        raise CannotLoadError(f"the model {model} cannot be loaded: {type(error).__name__}: {error}") from error


def _speed(model: str, filler: Filler) -> Speed:
    from lacuna.engine.device.memory import explained

    try:
        return keystrokes.speed(filler)
    except Exception as error:  # as above
        raise CannotLoadError(f"the model {model} cannot answer: {explained(error)}") from error


def _log_choice(choice: AutoChoice) -> None:
    passed_over = "".join(f"; {other.model}: {other.reason}" for other in choice.passed_over)
    _log.info("auto is %s: %s%s", choice.model, choice.why, passed_over)
