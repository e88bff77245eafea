"""Random sequences of what editors send about one document, each the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from units import Change, Document, Encoding, Position

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
PIECES = (
    "a", "(", ")", "x = ", "def f():\n    ", "\n", "\r\n", "\r", "\t", '"', "é", "ß", "中", "😀", "\U0001f469\u200d💻",
    "\x0c", "\x0b", "\x85", "\u2028", "\u2029", "\0", "\ufeff", "e\u0301", "", " " * 9, "class A:\n    x: int\n",
    "\U0010ffff",
)  # fmt: skip
HALVES = ("\ud83d", "\ude00", "\ud83d\ud83d", "\ude00\ud83d", "a\ud83d", "\ude00b")
LANGUAGES = ("python", "go", "markdown", "json", "", "no-such-language")
HUGE = 2**31 - 1
SETTINGS = (
    {"num_candidates": 1}, {"drafts": 3}, {"max_lines": 1}, {"completion": "plain"}, {"completion": "both"},
    {"drafts": "x"}, {"enabled": True}, {"disabled_languages": ["go"]}, {"excluded": ["*.secret"]},
    {"next_edits": False}, {},
)  # fmt: skip
REQUESTS = {
    "textDocument/inlineCompletion": 6,
    "textDocument/completion": 1,
    "textDocument/codeAction": 1,
    "textDocument/copilotInlineEdit": 1,
}


class Notify(NamedTuple):
    method: str
    params: Any


class Ask(NamedTuple):
    method: str
    params: Any


class Cancel(NamedTuple):
    """One of the requests so far, by its number in the sequence; also one that is answered, or cancelled already."""

    number: int
    times: int


class Wait(NamedTuple):
    """Until that request is answered."""

    number: int


class Pause(NamedTuple):
    seconds: float


class Compare(NamedTuple):
    """All was sent: the server's text of the document has to be this."""

    text: str


Step = Notify | Ask | Cancel | Wait | Pause | Compare


class Sequence:
    """One document from `didOpen` to `didClose`."""

    def __init__(self, seed: str, encoding: Encoding, base: dict[str, Any]) -> None:
        self._chance = random.Random(seed)
        self._encoding = encoding
        self._base = base  # settings that stay
        self._uri = f"untitled:{seed}"
        self._version = self._asked = 0

    def steps(self) -> Iterator[Step]:
        yield self._opened()
        for _ in range(self._chance.randrange(2, 14)):
            kinds = {"edit": 9, "ask": 5, "cancel": 3, "wait": 2, "pause": 2, "reopen": 1, "configure": 1, "stray": 1}
            yield from getattr(self, f"_{self._chance.choices(list(kinds), list(kinds.values()))[0]}")()
        yield Compare(self._document.text)
        yield Notify("textDocument/didClose", {"textDocument": {"uri": self._uri}})
        if self._chance.random() < 0.1:
            yield self._request()  # nothing is open there any more

    def _opened(self) -> Notify:
        text = self._text(12)
        self._document = Document(text, self._encoding)
        self._version += 1
        language = self._chance.choice(LANGUAGES)
        item = {"uri": self._uri, "languageId": language, "version": self._version, "text": text}
        return Notify("textDocument/didOpen", {"textDocument": item})

    def _edit(self) -> Iterator[Step]:
        changes = []
        for _ in range(self._chance.randrange(1, 4)):
            change = self._change()
            self._document.apply(change)
            changes.append(as_lsp(change))
        self._version += 1
        identifier = {"uri": self._uri, "version": self._version}
        yield Notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})

    def _ask(self) -> Iterator[Step]:
        yield self._request()

    def _cancel(self) -> Iterator[Step]:
        if self._asked:
            yield Cancel(self._chance.randrange(self._asked), self._chance.choice([1, 1, 2]))

    def _wait(self) -> Iterator[Step]:
        if self._asked:
            yield Wait(self._asked - 1)

    def _pause(self) -> Iterator[Step]:
        yield Pause(self._chance.choice([0.0, 0.0, 0.002, 0.01]))

    def _reopen(self) -> Iterator[Step]:
        yield Compare(self._document.text)
        if self._chance.random() < 0.7:  # some editors open what is open
            yield Notify("textDocument/didClose", {"textDocument": {"uri": self._uri}})
        yield self._opened()

    def _configure(self) -> Iterator[Step]:
        settings = {**self._base, **self._chance.choice(SETTINGS)}
        yield Notify("workspace/didChangeConfiguration", {"settings": settings})

    def _stray(self) -> Iterator[Step]:
        """What is about nothing."""
        nowhere = {"textDocument": {"uri": "untitled:nowhere", "version": 1}}
        yield self._chance.choice(
            [
                Notify("$/cancelRequest", {"id": 10**9}),
                Notify("textDocument/didChange", {**nowhere, "contentChanges": [{"text": "x"}]}),
                Notify("textDocument/didClose", nowhere),
                Notify("textDocument/didFocus", nowhere),
                Notify("$/setTrace", {"value": "off"}),
            ]
        )

    def _request(self) -> Ask:
        self._asked += 1
        method = self._chance.choices(list(REQUESTS), list(REQUESTS.values()))[0]
        at = as_position(self._position())
        params: dict[str, Any] = {"textDocument": {"uri": self._uri, "version": self._version}, "position": at}
        match method:
            case "textDocument/inlineCompletion":
                params["context"] = {"triggerKind": self._chance.choice([1, 2, 2, 2])}
            case "textDocument/codeAction":
                del params["position"]
                params |= {"range": {"start": at, "end": at}, "context": {"diagnostics": []}}
        return Ask(method, params)

    def _change(self) -> Change:
        if self._chance.random() < 0.05:
            return Change(None, None, self._text(6))
        start, end = sorted((self._position(), self._position()), key=self._document.index)
        if self._chance.random() < 0.6:
            end = start
        return Change(start, end, self._text(4))

    def _position(self) -> Position:
        """Anywhere, also between the halves of a character; now and then behind the end of a line or of the text."""
        if self._chance.random() < 0.02:
            return self._chance.choice([(HUGE, HUGE), (0, HUGE), (HUGE, 0)])
        lines = self._document.lines()
        line = self._chance.randrange(len(lines) + (self._chance.random() < 0.05))
        if line == len(lines):
            return line, self._chance.randrange(9)
        width = lines[line][1] - lines[line][0]
        return line, self._chance.randint(0, width + (self._chance.random() < 0.05) * 9)

    def _text(self, longest: int) -> str:
        halves = HALVES if self._encoding == "utf-16" else ()  # no editor has them in the other encodings
        return "".join(self._chance.choices((*PIECES, *halves), k=self._chance.randrange(longest)))


def as_lsp(change: Change) -> dict[str, Any]:
    if change.start is None or change.end is None:
        return {"text": change.text}
    return {"range": {"start": as_position(change.start), "end": as_position(change.end)}, "text": change.text}


def as_position(position: Position) -> dict[str, int]:
    return dict(zip(("line", "character"), position, strict=True))
