"""The editors' sources: types, style, and the tests that need no editor."""

from __future__ import annotations

import pytest
from lint_editors import check
from setup_vscode import CannotInstall


def test_the_editors_pass_their_own_checks() -> None:
    try:
        assert check(), "what fails is printed"
    except CannotInstall as reason:
        pytest.skip(str(reason))
