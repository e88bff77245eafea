"""A terminal of fixed size, made by tmux: what a program shows in it, as text and as a picture."""

from __future__ import annotations

import io
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PATIENCE = 60.0  # seconds
BACKGROUND, FOREGROUND = (20, 22, 27), (224, 226, 234)  # of Neovim's own dark colours
_COLOURS = [(20, 22, 27), (255, 192, 185), (179, 246, 192), (252, 224, 148), (166, 219, 255), (255, 202, 255)]
_THEME = TerminalTheme(BACKGROUND, FOREGROUND, [*_COLOURS, (140, 248, 247), FOREGROUND])
# rich's own has fonts from the network.
_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font-family: "JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 16px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Terminal:
    """A program in a terminal."""

    def __init__(
        self, command: list[str], environment: dict[str, str], directory: Path, columns: int, rows: int
    ) -> None:
        self._socket = f"lacuna-{os.getpid()}-{time.monotonic_ns()}"
        self._columns = columns
        size = ["-x", str(columns), "-y", str(rows)]
        variables = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        self._tmux("new-session", "-d", "-c", str(directory), *size, *variables, *command)
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("resize-window", *size)

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    @property
    def screen(self) -> str:
        """Without the blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._tmux("capture-pane", "-p").splitlines())

    def marked(self, colour: str) -> str:
        """The screen, with « and » around what is written in a colour as in "#8080ff"."""
        lines = []
        for line in map(Text.from_ansi, self._tmux("capture-pane", "-p", "-e").splitlines()):
            spans = [span for span in line.spans if colour in str(span.style)]
            text = line.plain
            for span in reversed(spans):
                text = f"{text[: span.start]}«{text[span.start : span.end]}»{text[span.end :]}"
            lines.append(text.rstrip())
        return "\n".join(lines)

    def until(self, condition: Callable[[str], bool]) -> str:
        """Wait for a screen."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.screen):
            assert time.monotonic() < deadline, f"waited in vain; the screen is\n{self.screen}"
            time.sleep(0.05)
        return self.screen

    def draw(self, path: Path, title: str) -> None:
        """The screen with its colours as an SVG picture."""
        console = Console(record=True, width=self._columns, file=io.StringIO(), force_terminal=True)
        for line in self._tmux("capture-pane", "-p", "-e").splitlines():
            console.print(Text.from_ansi(line), no_wrap=True, crop=True)
        picture = console.export_svg(title=title, theme=_THEME, code_format=_SVG, unique_id="lacuna")
        path.write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n", encoding="utf-8")

    def close(self) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
