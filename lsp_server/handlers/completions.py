"""Suggestions at the cursor: as ghost text, and as items of the completion menu."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsprotocol import types

from lacuna.lsp_server.config import Config
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.protocol import convert, names


def add(ls: LacunaServer, config: Config) -> list[types.Registration]:
    """Have the methods that the settings ask for; what to tell a client of those that are new."""
    added = []
    for method, (handler, options) in METHODS.items():
        wanted = config.inline if method == types.TEXT_DOCUMENT_INLINE_COMPLETION else config.plain
        if wanted and method not in ls.protocol.fm.features:
            ls.feature(method, options)(handler)
            added.append(convert.registration(method, options))
    return added


async def _inline_completion(
    ls: LacunaServer, params: types.InlineCompletionParams
) -> list[types.InlineCompletionItem] | None:
    ls.asks_completions = True
    if not ls.config.inline:
        return None
    return convert.inline_items(await ls.complete(convert.inline_request(params, ls.item_shape)))


async def _completion(ls: LacunaServer, params: types.CompletionParams) -> types.CompletionList | None:
    ls.asks_completions = True
    if not ls.config.plain:
        return None
    return convert.completion_list(await ls.complete(convert.completion_request(params)))


def _cursor(ls: LacunaServer, params: Any) -> None:
    ls.completer.look_ahead(*convert.document_position(params))


FEATURES: dict[str, Callable[..., object]] = {names.CURSOR: _cursor}
METHODS: dict[str, tuple[Callable[..., object], Any]] = {
    types.TEXT_DOCUMENT_INLINE_COMPLETION: (_inline_completion, convert.INLINE_COMPLETION_OPTIONS),
    types.TEXT_DOCUMENT_COMPLETION: (_completion, convert.COMPLETION_OPTIONS),
}
