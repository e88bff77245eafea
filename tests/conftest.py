"""What several test files share."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from lacuna.engine.device import memory, runtime
from lacuna.engine.store import model_store

runtime.prepare_environment()  # as every command does, before any test imports torch
_state = tempfile.TemporaryDirectory()
os.environ["LACUNA_STATE"] = _state.name  # what tests accept does not count as what the user does
# What the developer has pulled is not what tests ask: "auto" is the smallest model here. `make test` pulls it.
os.environ["LACUNA_CACHE"] = str(Path(__file__).parents[1] / "build" / "cache")
os.environ["LACUNA_DAEMON"] = "off"  # a server of each test's own; tests/lsp_server/daemon says otherwise
# A shell's background jobs ignore interrupts, what `nohup` starts hang-ups, and so would the programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# A change is to fail for what it did, not for what chance found in what was there before. To look further:
# `pytest --hypothesis-profile=search`.
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.register_profile("search", derandomize=False)
hypothesis.settings.load_profile("fixed")


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """The directory of the embedded model, pulled if it is not there yet."""
    return model_store.pull(model_store.EMBEDDED)


@pytest.fixture(scope="module", autouse=True)
def _memory_of_one_module() -> Iterator[None]:
    """What the tests of a module had goes back to the system: the allocator would keep gigabytes of a training step."""
    yield
    gc.collect()
    memory.give_back()


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes runs where it is asked for: `-m slow`, or an expression that says something of `slow`."""
    for item in items:
        if _reads_weights(item):
            item.add_marker("weights")
    if "slow" in config.getoption("markexpr"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


def _reads_weights(item: pytest.Item) -> bool:
    """Also where it says nothing of it: modules that import tests/embedded.py are about the embedded model."""
    names = vars(item.module).values() if isinstance(item, pytest.Function) else ()
    return "embedded_model" in getattr(item, "fixturenames", ()) or any(
        getattr(name, "__module__", "") == "embedded" for name in names
    )
