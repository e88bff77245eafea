"""A window of VS Code, and what a person does in it: opens files, types, presses keys, looks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from code_server import PATIENCE, CodeServer
from playwright.sync_api import Page

T = TypeVar("T")
QUIET = 1.5  # seconds after which ghost text that has not come does not come


class Window:
    """A browser's page with VS Code in it."""

    def __init__(self, page: Page, server: CodeServer) -> None:
        self.page = page
        self._server = server
        self._file: Path | None = None

    def load(self) -> None:
        """Open the workspace, and wait for Lacuna: what is typed before gets no suggestions ever."""
        self.page.goto(self._server.address)
        self.page.wait_for_selector(".monaco-workbench", timeout=PATIENCE * 1000)
        self.wait_for_status("ready")

    def open(self, name: str, marked: str) -> None:
        """Open a new file with this text, the cursor at `|`."""
        before, _, after = marked.partition("|")
        self._file = self._server.workspace / name
        self._file.write_text(before + after, encoding="utf-8")
        self.close_all()
        self.press("Control+p")
        self.page.locator(".quick-input-widget input").fill(str(self._file))
        self.page.locator(f'.quick-input-list .monaco-list-row[aria-label^="{name}"]').first.wait_for()
        self.press("Enter")
        self.page.locator(f'.tab.active[data-resource-name="{name}"]').wait_for()
        self.page.locator(".editor-instance .view-lines").wait_for()
        self.page.locator(".editor-instance .view-lines").click()
        self.go_to(before.count("\n") + 1, len(before.rpartition("\n")[2].encode("utf-16-le")) // 2 + 1)

    def go_to(self, line: int, column: int) -> None:
        """Move the cursor; columns count UTF-16 units from 1."""
        self.press("Control+Home")
        for _ in range(line - 1):
            self.press("ArrowDown")
        self.press("Home")
        self.press("Control+g")
        self.page.locator(".quick-input-widget input").fill(f":{line}:{column}")
        self.press("Enter")

    def type(self, text: str) -> None:
        """Key after key, as quickly as a quick typist."""
        self.page.keyboard.type(text, delay=60)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def run(self, command: str) -> None:
        """A command of the palette, by its title."""
        palette = self.page.locator(".quick-input-widget input")
        palette.wait_for(state="hidden")  # the one before may still be closing
        while not palette.is_visible():  # a view that is just closing swallows the key
            self.press("F1")
            self.page.wait_for_timeout(1000)
        palette.fill(f">{command}")
        row = self.page.locator(".quick-input-list .monaco-list-row").first
        self.until(lambda: command in row.inner_text(), f"found the command {command}")
        self.press("Enter")

    def close_all(self) -> None:
        """Close all editors."""
        self.press("Escape")
        if self.page.locator(".tab").count():
            self.run("File: Save All Files")
            self.until(lambda: self.page.locator(".tab.dirty").count() == 0, "saved all files")
            self.run("View: Close All Editors")
            self.until(lambda: self.page.locator(".tab").count() == 0, "closed all editors")

    def ghost(self) -> str:
        """The ghost text that is shown; "" where there is none."""
        spans = self.page.locator(".view-lines .ghost-text-decoration, .view-lines .ghost-text-decoration-preview")
        first = "".join(spans.all_inner_texts())
        lines = self.page.locator(".view-zones .ghost-text .view-line, .suggest-preview-additional-widget .view-line")
        return "\n".join(_plain(line) for line in [first, *lines.all_inner_texts()])

    def wait_for_ghost(self, wanted: str) -> None:
        """Wait until exactly this is shown."""
        self.until(lambda: self.ghost() == wanted, f"ghost text {wanted!r}", lambda: f"{self.ghost()!r}")

    def wait_for_any_ghost(self) -> str:
        """Wait until something is shown."""
        self.until(lambda: self.ghost() != "", "ghost text")
        return self.ghost()

    def stays_without_ghost(self) -> bool:
        """Whether nothing is shown for as long as a person would wait."""
        deadline = time.monotonic() + QUIET
        while time.monotonic() < deadline:
            if self.ghost():
                return False
            self.page.wait_for_timeout(50)
        return True

    def text(self) -> str:
        """What stands in the file, saved."""
        assert self._file is not None, "open comes first"
        self.press("Control+s")
        self.page.locator(".tab.active.dirty").wait_for(state="detached")
        return self._file.read_text(encoding="utf-8")

    def status(self) -> str:
        """What the status bar says of Lacuna, to those who cannot see it too."""
        item = self.page.locator('.statusbar-item[id$="lacuna.status"]').first
        return (item.get_attribute("aria-label") or "") if item.count() else ""

    def wait_for_status(self, wanted: str) -> None:
        """Wait until Lacuna's status matches this pattern."""
        pattern = re.compile(wanted)
        self.until(lambda: pattern.search(self.status()) is not None, f"status {wanted}", lambda: self.status())

    def until(self, condition: Callable[[], bool], what: str, instead: Callable[[], str] = lambda: "") -> None:
        """Wait for something to be so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}; {instead()}"
            self.page.wait_for_timeout(50)


def _plain(shown: str) -> str:
    """As typed: the editor shows spaces that do not break, and marks where bidirectional text ends."""
    return shown.replace("\u00a0", " ").replace("\u200c", "").replace("\u200d", "")
