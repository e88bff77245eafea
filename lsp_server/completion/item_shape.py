"""Which part of the cursor's line an item replaces: editors draw ghost text best in different shapes. Pure."""

from __future__ import annotations

import re
from enum import Enum


class ItemShape(Enum):
    """Where an item's range begins. In any shape it ends behind what the suggestion replaces right of the cursor."""

    CURSOR = "at the cursor"  # Neovim shows such an item inline, and the rest of the line moves along
    LINE = "at the line's first sign"  # VS Code redraws nothing when such an item is accepted word by word
    WORD = "at the start of the word before the cursor"  # what completion menus match by


def ghost_text_shape(client: str) -> ItemShape:
    """The shape for inline completions, by the name that a client gives itself (`clientInfo.name`)."""
    return ItemShape.LINE if _VS_CODE.search(client) else ItemShape.CURSOR


def start_column(shape: ItemShape, line: str, column: int, replaced: int) -> int:
    """Where an item's range begins on its line; what stands from there to the cursor is where its text begins.

    `LINE` is for the ends of lines; elsewhere it is as `CURSOR`. So it is behind a character of two UTF-16 units, an
    emoji for one: VS Code 1.139 does not show an item at all that repeats such a character.
    """
    if shape is ItemShape.WORD:
        word = _WORD.search(line, 0, column)
        return word.start() if word else column
    at_the_end = not line[column + replaced :].strip()
    if shape is ItemShape.LINE and at_the_end and not _TWO_UNITS.search(line, 0, column):
        return column - len(line[:column].lstrip())
    return column


# How VS Code and the editors built from it call themselves; "Visual Studio Code - Insiders" too, "cursortab.nvim" not.
_VS_CODE = re.compile(
    r"(?<![\w.-])(antigravity|code - oss|code-server|cursor|gitpod|kiro|openvscode server|positron|theia|trae|"
    r"visual studio code|vscode|vscodium|windsurf)(?![\w.-])",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+$")
_TWO_UNITS = re.compile("[\U00010000-\U0010ffff]")
