"""An editor on a machine without the program: it says so, once, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from code_server import PATIENCE, CodeServer
from playwright.sync_api import Browser
from window import Window


@pytest.fixture
def window(browser: Browser, vsix: Path, tmp_path: Path) -> Iterator[Window]:
    with CodeServer(tmp_path / "vscode", vsix, "/usr/bin:/bin") as server:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(server.address)
        yield Window(page, server)
        page.close()


def test_a_missing_program_is_told_with_what_to_do(window: Window) -> None:
    window.wait_for_status("wrong .*not found")
    message = window.page.locator(".notification-list-item", has_text="the program “lacuna” is neither")
    message.wait_for()
    for button in ("How to Install", "Set the Path"):
        assert message.get_by_role("button", name=button).is_visible()
    window.run("Notifications: Clear All Notifications")
    window.run("Lacuna: Restart the Server")
    window.wait_for_status("wrong .*not found")
    assert message.count() == 0
