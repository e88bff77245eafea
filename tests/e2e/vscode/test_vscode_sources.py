"""The extension's sources: types, style, and the tests that need no editor."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import setup_vscode


@pytest.mark.parametrize("script", ["lint", "test"])
def test_the_extension_passes_its_own_checks(script: str, vsix: Path) -> None:
    assert vsix.exists()
    done = subprocess.run(
        ["npm", "run", script],
        cwd=setup_vscode.EXTENSION,
        env=setup_vscode.environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
