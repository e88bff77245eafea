"""What the tests in real editors share: this folder is on the path of imports, and no rerun goes unseen."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Each test that passed at a later try only, by name: it is a fault, of the test or of what it tests."""
    again = [report.nodeid for report in terminalreporter.stats.get("rerun", [])]
    if again:
        terminalreporter.section(f"{len(again)} reruns of {len(set(again))} tests")
        for name in sorted(set(again)):
            terminalreporter.line(f"{again.count(name)} x {name}")
