"""A completion request and its items: positions and text, whichever LSP method the editor uses."""

from __future__ import annotations

from dataclasses import dataclass

from lacuna.lsp_server.completion.item_shape import ItemShape
from lacuna.lsp_server.documents.text import Position
from lacuna.lsp_server.infill.question import Trigger


@dataclass(frozen=True)
class Selected:
    """What the editor's completion menu has selected: a suggestion can only go on from there."""

    start: Position
    end: Position
    text: str  # would replace `start` to `end`


@dataclass(frozen=True)
class Request:
    """Suggestions are wanted at a position."""

    uri: str
    position: Position
    trigger: Trigger
    selected: Selected | None = None
    shape: ItemShape = ItemShape.CURSOR  # of its items


@dataclass(frozen=True)
class Item:
    """A suggestion as an editor shows it: `text` replaces `start` to `end`, on the cursor's line."""

    id: int
    text: str
    start: Position
    end: Position
