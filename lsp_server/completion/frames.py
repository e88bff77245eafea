"""What the canvas of a request looks like while it is denoised, for a client that wants to watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

from lacuna.engine.api import Frame
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.text import Position

Cell = tuple[str | None, bool]  # as in `Frame.cells`


@dataclass(frozen=True)
class Picture:
    """A request's canvas after one denoising step, between what stands left and right of the hole on its line."""

    uri: str
    version: int
    position: Position  # of the request
    request: int  # a number that no other request of the connection has
    before: str
    after: str
    step: int = 0  # from 1 on, through all canvases of the request
    cells: tuple[Cell, ...] = ()  # of all its canvases so far
    done: bool = False  # the last picture of the request


class Frames:
    """One client's view of its own requests; prefetch sends no frames."""

    def __init__(self, tell: Callable[[Picture], None]) -> None:
        self.wanted = False
        self._tell = tell
        self._numbers = count(1)

    @contextmanager
    def watching(self, snapshot: Snapshot, position: Position) -> Iterator[Callable[[Frame], None] | None]:
        """Gives what the engine's thread is to call with every frame of a request; None where nobody wants to know.

        The snapshot's cursor is at the hole. However the block ends, its last picture is then told, if there was one.
        """
        if not self.wanted:
            yield None
            return
        line, column = snapshot.current_line, snapshot.column
        before, after = line[:column], line[column:]
        canvas = _Canvas(Picture(snapshot.uri, snapshot.version, position, next(self._numbers), before, after))
        loop = asyncio.get_running_loop()
        try:
            yield lambda frame: _call(loop, self._show, canvas, frame)
        finally:
            canvas.ended = True
            if canvas.picture.step:
                self._tell(canvas.last())

    def _show(self, canvas: _Canvas, frame: Frame) -> None:
        if self.wanted and not canvas.ended:  # the engine may be a step behind whoever has stopped it
            self._tell(canvas.advanced(frame))


class _Canvas:
    """A request's picture as it changes."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.ended = False
        self._earlier: tuple[Cell, ...] = ()  # what the canvases before this one were filled with

    def advanced(self, frame: Frame) -> Picture:
        """The next picture. Every canvas counts its steps from 1 on."""
        if frame.step == 1:
            self._earlier = tuple((text, False) for text, _ in self.picture.cells if text is not None)
        self.picture = replace(self.picture, step=self.picture.step + 1, cells=(*self._earlier, *frame.cells))
        return self.picture

    def last(self) -> Picture:
        return replace(self.picture, done=True, cells=tuple((text, False) for text, _ in self.picture.cells))


def _call(loop: asyncio.AbstractEventLoop, show: Callable[..., None], canvas: _Canvas, frame: Frame) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(show, canvas, frame)
