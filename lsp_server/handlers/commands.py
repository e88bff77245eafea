"""Commands of workspace/executeCommand that ask the server something or switch something on."""

from __future__ import annotations

from collections.abc import Callable

from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.protocol import names


def _statistics(ls: LacunaServer) -> dict[str, object]:
    return {**ls.statistics.report(), "edits": ls.edits.outcomes()}


def _show_frames(ls: LacunaServer, wanted: bool) -> None:
    ls.frames.wanted = wanted


COMMANDS: dict[str, Callable[..., object]] = {
    names.STATISTICS: _statistics,
    names.SHOW_FRAMES: _show_frames,
}
