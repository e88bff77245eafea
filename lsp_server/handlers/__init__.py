"""What a client can ask and tell: one module per noun, each with tables of what it handles."""

from __future__ import annotations

from collections.abc import Callable

from lacuna.lsp_server.handlers import (
    commands,
    completions,
    documents,
    inline_edits,
    lifecycle,
    models,
    reports,
    rewrites,
)

FEATURES: dict[str, Callable[..., object]] = (
    lifecycle.FEATURES | documents.FEATURES | completions.FEATURES | reports.FEATURES | inline_edits.FEATURES
)
COMMANDS: dict[str, Callable[..., object]] = (
    commands.COMMANDS | models.COMMANDS | reports.COMMANDS | inline_edits.COMMANDS | rewrites.COMMANDS
)
