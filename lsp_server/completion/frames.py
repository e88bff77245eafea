"""What the canvas of a request looks like while it is denoised, for a client that wants to watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

from lacuna.engine.api import Frame
from lacuna.engine.untrusted.secrets import reveals
from lacuna.lsp_server.documents.plain_text import plain
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.text import Position

Cell = tuple[str | None, bool]  # as in `Frame.cells`

_NEAR = (
    3000  # characters on either side of the hole, in which a secret may stand that the canvas goes on with or repeats
)


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
        picture = Picture(snapshot.uri, snapshot.version, position, next(self._numbers), before, after)
        canvas = _Canvas(picture, *_around(snapshot))
        loop = asyncio.get_running_loop()
        try:
            yield lambda frame: _call(loop, self._show, canvas, frame)
        finally:
            canvas.ended = True
            if canvas.picture.step:
                self._tell(canvas.last())

    def _show(self, canvas: _Canvas, frame: Frame) -> None:
        if self.wanted and not canvas.ended:  # the engine may be a step behind whoever has stopped it
            picture = canvas.advanced(frame)
            if not canvas.holds_secret:
                self._tell(picture)


class _Canvas:
    """A request's picture as it changes. From where it would show a secret on, it is told no more, and ends empty."""

    def __init__(self, picture: Picture, before: str, after: str) -> None:
        self.picture = picture
        self.ended = self.holds_secret = False
        self._before, self._after = before, after
        self._earlier: tuple[Cell, ...] = ()  # what the canvases before this one were filled with

    def advanced(self, frame: Frame) -> Picture:
        """The next picture. Every canvas counts its steps from 1 on."""
        if frame.step == 1:
            self._earlier = tuple((text, False) for text, _ in self.picture.cells if text is not None)
        self.picture = replace(self.picture, step=self.picture.step + 1, cells=(*self._earlier, *frame.cells))
        self.holds_secret = self.holds_secret or self._reveals()
        return self.picture

    def last(self) -> Picture:
        cells = () if self.holds_secret else self.picture.cells
        return replace(self.picture, done=True, cells=tuple((text, False) for text, _ in cells))

    def _reveals(self) -> bool:
        """Whether a secret can be read off, over what is noise still, too."""
        shown = "".join(text or "" for text, _ in self.picture.cells)
        return reveals(self._before, shown, self.picture.after, known=f"{self._before}\n{self._after}")


def _around(snapshot: Snapshot) -> tuple[str, str]:
    """What stands near the hole on either side, as plain text."""
    return plain(snapshot.prefix(_NEAR)), plain(snapshot.suffix(_NEAR))


def _call(loop: asyncio.AbstractEventLoop, show: Callable[..., None], canvas: _Canvas, frame: Frame) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(show, canvas, frame)
