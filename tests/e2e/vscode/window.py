"""A window of VS Code, and what a person does in it: opens files, types, presses keys, looks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from code_server import PATIENCE, CodeServer
from playwright.sync_api import Page

T = TypeVar("T")
QUIET = 1.5  # seconds after which ghost text that has not come does not come
# What decorations make of the text: struck words, what stands behind them on a ground or without one, a block of lines,
# and the line where they come. A struck line follows another one by its place.
MARKS = r"""() => {
  const marks = { goes: "", comes: "", hint: "", lines: "", seam: false };
  const shown = (content) => !["none", "normal", '""'].includes(content);
  const plain = (content) => JSON.parse(content.replaceAll(/\\(a |.)/gs, (all, sign) => sign === "a " ? "\\n" : all));
  const lines = [...document.querySelectorAll(".editor-instance .view-lines .view-line")];
  for (const line of lines.sort((one, other) => parseFloat(one.style.top) - parseFloat(other.style.top))) {
    let goes = "";
    for (const span of line.querySelectorAll(":scope > span span")) {
      if (getComputedStyle(span).textDecorationLine.includes("line-through")) goes += span.textContent;
      const before = getComputedStyle(span, "::before").content;
      if (shown(before)) marks.lines += plain(before);
      const { content, backgroundColor } = getComputedStyle(span, "::after");
      if (shown(content)) marks[backgroundColor === "rgba(0, 0, 0, 0)" ? "hint" : "comes"] += plain(content);
    }
    marks.goes += goes && marks.goes ? `\n${goes}` : goes;
  }
  for (const overlay of document.querySelectorAll(".editor-instance .view-overlays .cdr")) {
    const { borderTopWidth, borderBottomWidth, borderTopStyle } = getComputedStyle(overlay);
    marks.seam ||= borderTopStyle === "solid" && parseFloat(borderTopWidth) + parseFloat(borderBottomWidth) === 1;
  }
  return marks;
}"""


@dataclass(frozen=True)
class NextEdit:
    """What is seen of a next edit in all visible editors; "" where there is nothing."""

    goes: str = ""
    comes: str = ""
    hint: str = ""  # what Tab does
    lines: str = ""  # that come, as a block
    seam: bool = False  # a line where they come, if none goes


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

    def open(self, name: str, marked: str, *, beside_others: bool = False) -> None:
        """Open a new file with this text, the cursor at `|`. The other files are closed, or not."""
        before, _, after = marked.partition("|")
        self._file = self._server.workspace / name
        self._file.write_text(before + after, encoding="utf-8")
        if not beside_others:
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

    def next_edit(self) -> NextEdit:
        """The next edit that is shown."""
        marks = self.page.evaluate(MARKS)
        return NextEdit(**{kind: _plain(mark) if isinstance(mark, str) else mark for kind, mark in marks.items()})

    def wait_for_next_edit(self, wanted: NextEdit) -> None:
        """Wait until exactly this is shown."""
        self.until(lambda: self.next_edit() == wanted, f"{wanted}", lambda: f"{self.next_edit()}")

    def lines(self) -> list[str]:
        """The lines that are in view."""
        lines = self.page.locator(".editor-instance .view-lines .view-line").all()
        texts = [(float(line.evaluate("line => parseFloat(line.style.top)")), line.inner_text()) for line in lines]
        return [_plain(text).rstrip("\n") for _, text in sorted(texts)]

    def wait_for_lines(self, wanted: str) -> None:
        """Wait until exactly this text is in view."""
        self.until(lambda: self.lines() == wanted.split("\n"), f"{wanted!r}", lambda: f"{self.lines()}")

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
