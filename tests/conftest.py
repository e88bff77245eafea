"""What several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import hub, runtime

runtime.prepare_environment()  # as every command does, before any test imports torch


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """The directory of the embedded model, pulled if it is not there yet."""
    return hub.pull(hub.EMBEDDED, progress=True)
