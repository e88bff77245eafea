"""The real server, but what a search would find is told it: edits of several lines, which the models of the tests do
not offer. Requests, documents, offers and their fate are the product's.

An edit is told by the name of the file that it is for, and follows from any edit of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

CART = """\
class Car|:
    def __init__(self):
        self.items = []

    def add(self, name, price):
        self.items.append((name, price))

    def total(self):
        result = 0
        for item in self.items:
            result += item[1]
        return result
"""  # the cursor is at "|", where a user types "t"
TYPED = "t"
BEFORE = CART.replace("|", TYPED)
TOLD = {  # lines of it, and what they become; "" is its end
    "insert.py": (
        "        return result\n",
        "        if result < 0:\n            raise ValueError(result)\n        return result\n",
    ),
    "one_by_three.py": (
        "        self.items.append((name, price))\n",
        "        if not name:\n            raise ValueError(name)\n        self.items[name] = price\n",
    ),
    "three_by_two.py": (
        "        result = 0\n        for item in self.items:\n            result += item[1]\n",
        "        prices = [item[1] for item in self.items]\n        result = sum(prices)\n",
    ),
    "first.py": ("class Cart:\n", "import json\nimport math\n\n\nclass Cart:\n"),
    "end.py": ("", "\n    def names(self):\n        return [item[0] for item in self.items]\n"),
    "long_lines.py": (
        "        self.items.append((name, price))\n",
        "        if not name.isidentifier():\n"
        "            raise ValueError(f'{name!r} is no name: a name is a letter, and letters and digits behind it')\n"
        "        self.items[name] = price\n",
    ),
}
TOLD["refused.py"] = TOLD["three_by_two.py"]
TOLD["out_of_view.py"] = TOLD["end.py"]


def after(name: str) -> str:
    """A file's text once the edit is made."""
    start, end, new = _edit(name)
    return BEFORE[:start] + new + BEFORE[end:]


def command() -> list[str]:
    """What starts it."""
    return [sys.executable, __file__, "serve"]


def script(path: Path) -> Path:
    """A program that starts it, for editors that take no arguments."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def _edit(name: str) -> tuple[int, int, str]:
    """What replaces which piece of the text."""
    old, new = TOLD[name]
    start = BEFORE.index(old) if old else len(BEFORE)
    if new.endswith(old):  # lines that only come stand before it
        old, new = "", new.removesuffix(old)
    return start, start + len(old), new


def _tell() -> None:
    from lacuna.lsp_server.edits.next_edit.found import Found
    from lacuna.lsp_server.edits.next_edit.offers import Quiet
    from lacuna.lsp_server.edits.next_edit.service import NextEdits

    async def found(self: NextEdits, document: Any, versions: Sequence[Any], *_: object) -> Found | Quiet:
        name = PurePosixPath(document.uri).name
        if versions[0].text != BEFORE:
            return Quiet.NO_PLACE
        return Found(document.uri, *_edit(name), line=BEFORE, new_line=after(name))

    NextEdits._found = found  # type: ignore[method-assign]


if __name__ == "__main__":
    from lacuna.lsp_server.cli.main import main

    _tell()
    main()
