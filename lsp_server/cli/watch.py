"""Draws a canvas while it is denoised: one row per step, between what stands left and right of the hole on its line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from lacuna.engine.api import Frame, Gap

_MASK = "░"
_LINE_END = "⏎"
_SIDE = 28  # characters of the line that are shown on either side of the hole


class Drawing:
    """The rows of a fill under way."""

    def __init__(self, gap: Gap) -> None:
        self._left = gap.prefix.rpartition("\n")[2]
        self._right = gap.suffix.partition("\n")[0]
        self._done = ""  # what canvases before this one were filled with
        self._canvas = ""  # what this one is filled with so far
        self._start = time.perf_counter()

    def row(self, frame: Frame) -> Text:
        """A frame as one line: what is decided in this step stands out, what is not decided yet is a dim block."""
        if frame.step == 1:
            self._done, self._canvas = self._done + self._canvas, ""
        self._canvas = _decided(frame)
        milliseconds = (time.perf_counter() - self._start) * 1000
        row = Text(no_wrap=True, overflow="ellipsis")
        row.append(f"step {frame.step:2} {milliseconds:6.0f} ms  ", style="dim")
        row.append(_tail(self._left))
        row.append(_visible(self._done), style="green")
        for text, is_fresh in frame.cells:
            row.append(_MASK if text is None else _visible(text), style=_style(text, is_fresh))
        row.append(self._right[:_SIDE] + ("…" if len(self._right) > _SIDE else ""))
        return row


@contextmanager
def watching(gap: Gap, console: Console | None = None) -> Iterator[Callable[[Frame], None]]:
    """Gives what is to be called with every frame: on a terminal it draws, elsewhere it prints plain lines."""
    console = console or Console()
    drawing = Drawing(gap)
    if not console.is_terminal:
        yield lambda frame: print(drawing.row(frame).plain, flush=True)
        return
    rows: list[Text] = []
    with Live(console=console, auto_refresh=False) as live:

        def on_frame(frame: Frame) -> None:
            rows.append(drawing.row(frame))
            live.update(Text("\n").join(rows[-console.height + 2 :]), refresh=True)

        yield on_frame
        live.update(Text("\n").join(rows))


def _style(text: str | None, is_fresh: bool) -> str:
    if text is None:
        return "dim"
    return "bold black on green" if is_fresh else "green"


def _visible(text: str) -> str:
    return text.replace("\n", _LINE_END).replace("\t", "→")


def _tail(line: str) -> str:
    return line if len(line) <= _SIDE else "…" + line[-_SIDE:]


def _decided(frame: Frame) -> str:
    return "".join(text or "" for text, _ in frame.cells)
