"""An open document, as a new daemon is told of it: how it was opened, and what was changed since."""

from __future__ import annotations

import json
from typing import Any

from lacuna.lsp_server.documents.text import Encoding, Place, Position, Text

MOST_CHANGES = 1 << 18  # bytes, of changes that are kept as they came; with more the text is opened as it is now


class SessionDocument:
    """Of LSP's messages, as they came or as few."""

    def __init__(self, opened: bytes) -> None:
        self._opened = opened
        self._changes: list[bytes] = []
        self._can_be_folded = True
        self.size = len(opened)  # bytes

    @property
    def messages(self) -> list[bytes]:
        return [self._opened, *self._changes]

    def change(self, changed: bytes, encoding: Encoding) -> None:
        """`encoding`: of positions."""
        self._changes.append(changed)
        self.size += len(changed)
        most = max(MOST_CHANGES, 2 * len(self._opened))
        if self._can_be_folded and self.size - len(self._opened) > most:
            self._fold(encoding)

    def _fold(self, encoding: Encoding) -> None:
        """Into a text that is opened as it is now. What cannot be read so stays as it came: the server says why."""
        try:
            opened = json.loads(self._opened)
            item = opened["params"]["textDocument"]
            text = Text(item["text"])
            for change in map(json.loads, self._changes):
                item["version"] = change["params"]["textDocument"]["version"]
                for one in change["params"]["contentChanges"]:
                    text = _changed(text, one, encoding)
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
            self._can_be_folded = False
            return
        if "\ufffd" in str(text):  # half a character may have been put in, or taken out
            self._can_be_folded = False
            return
        item["text"] = str(text)
        self._opened, self._changes = json.dumps(opened).encode(), []
        self.size = len(self._opened)


def _changed(text: Text, change: dict[str, Any], encoding: Encoding) -> Text:
    span = change.get("range")
    if span is None:
        return Text(change["text"])
    start, end = (_place(text, span[side], encoding) for side in ("start", "end"))
    return text.replace(start, max(start, end), change["text"])


def _place(text: Text, at: dict[str, int], encoding: Encoding) -> Place:
    """Raises ValueError for one within a character: editors that hold UTF-16 can take a pair apart."""
    place = text.place(Position(at["line"], at["character"]), encoding)
    is_within = place.column < len(text.line(place.line))
    if is_within and text.position(place, encoding).character != at["character"]:
        raise ValueError("half of a character")
    return place
