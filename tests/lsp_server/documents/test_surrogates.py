"""Edits that take surrogate pairs apart and put them together: the text is always that of an editor's UTF-16 array."""

from __future__ import annotations

import random
import re

import pytest

from lacuna.lsp_server.documents.store import Document
from lacuna.lsp_server.documents.text import Edit, Encoding, Position

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
PIECES = ["a", "é", "日", "😀", "𝒳", "\n", "\r\n", "\r", "\ufffd", "\ud83d", "\ude00", "\udc00", "\ud800", "x = 1"]
SEQUENCES = {"utf-8": 200, "utf-16": 500, "utf-32": 200}


class Array:
    """An editor's text: an array of UTF-16 units, whatever its positions count in."""

    def __init__(self, text: str) -> None:
        self.units = _units(text)

    def splice(self, start: int, end: int, new: str) -> None:
        self.units[start:end] = _units(new)

    def text(self) -> str:
        return re.sub("[\ud800-\udfff]", "\ufffd", _text(self.units))

    def position(self, index: int, encoding: Encoding) -> Position:
        """Of an index that is not between \\r and \\n and, but for UTF-16, not inside of a pair."""
        before = _text(self.units[:index])
        line = re.split("\r\n|\r|\n", before)[-1]
        count = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
        codec = encoding if encoding == "utf-8" else f"{encoding}-le"
        width = len(line.encode(codec, "surrogatepass")) // count
        return Position(len(re.findall("\r\n|\r|\n", before)), width)

    def indexes(self, encoding: Encoding) -> list[int]:
        """Those that have a position."""
        ends = [(_text(self.units[at - 1 : at]), _text(self.units[at : at + 1])) for at in range(len(self.units) + 1)]
        return [
            at
            for at, (left, right) in enumerate(ends)
            if (left, right) != ("\r", "\n")
            and not (encoding != "utf-16" and "\ud800" <= left <= "\udbff" and "\udc00" <= right <= "\udfff")
        ]


def _units(text: str) -> list[bytes]:
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[at : at + 2] for at in range(0, len(data), 2)]


def _text(units: list[bytes]) -> str:
    return b"".join(units).decode("utf-16-le", "surrogatepass")


def play(seed: int, encoding: Encoding) -> None:
    chance = random.Random(f"{encoding} {seed}")
    start = "".join(chance.choices(PIECES, k=chance.randrange(9)))
    array, document = Array(start), Document("untitled:a", "python", 0, start)
    for version in range(1, 9):
        edits = []
        for _ in range(chance.randrange(1, 3)):
            first, last = sorted(chance.choices(array.indexes(encoding), k=2))
            new = "".join(chance.choices(PIECES, k=chance.randrange(3)))
            last = chance.choice([first, last])
            ends = [array.position(first, encoding), array.position(last, encoding)]
            chance.shuffle(ends)
            edits.append(Edit(ends[0], ends[1], new))
            array.splice(first, last, new)
        document.change(version, edits, encoding)
        assert str(document.text) == array.text(), (seed, version, edits)
        index = chance.choice(array.indexes(encoding))
        snapshot = document.snapshot(array.position(index, encoding), encoding)
        whole = len(_text(array.units[:index])) - _is_inside(array, index)
        assert snapshot.offset == whole, "a cursor inside of a pair stands before it"


def _is_inside(array: Array, index: int) -> bool:
    left, right = _text(array.units[index - 1 : index]) if index else "", _text(array.units[index : index + 1])
    return "\ud800" <= left <= "\udbff" and "\udc00" <= right <= "\udfff"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_random_edits_give_the_text_of_the_editor(encoding: Encoding) -> None:
    for seed in range(SEQUENCES[encoding]):
        play(seed, encoding)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ten_thousand_random_edits_give_the_text_of_the_editor(encoding: Encoding) -> None:
    for seed in range(10_000):
        play(seed, encoding)


@pytest.mark.parametrize(
    ("text", "edits", "after"),
    [
        ("a😀b", [(1, 2, "")], "a\ufffdb"),  # the first half is deleted
        ("a😀b", [(2, 3, "")], "a\ufffdb"),
        ("a😀b", [(2, 2, "x")], "a\ufffdx\ufffdb"),
        ("a😀b", [(2, 2, "x"), (2, 3, "")], "a😀b"),  # and back
        ("a😀b", [(2, 3, "\ude01")], "a😁b"),  # as editors do that send the least that differs
        ("😀😁", [(1, 3, "")], "😁"),
        ("😀", [(1, 1, "\ude00\ud83d")], "😀😀"),
        ("", [(0, 0, "\ud83d"), (1, 1, "\ude00"), (2, 2, "!")], "😀!"),
        ("", [(0, 0, "\ude00"), (0, 0, "\ud83d"), (2, 2, "!")], "😀!"),
        ("\ud83dx\ude00", [(1, 2, ""), (2, 2, "!")], "😀!"),
        ("\ude00\ud83d", [(1, 1, "-")], "\ufffd-\ufffd"),
        ("\ufffd", [(1, 1, "\ude00")], "\ufffd\ufffd"),  # a U+FFFD of the text's own is no half
    ],
)
def test_halves_of_pairs(text: str, edits: list[tuple[int, int, str]], after: str) -> None:
    document = Document("untitled:a", "python", 0, text)
    for version, (start, end, new) in enumerate(edits):
        document.change(version, [Edit(Position(0, start), Position(0, end), new)], "utf-16")
    assert str(document.text) == after


def test_halves_that_a_joined_line_brings_together() -> None:
    document = Document("untitled:a", "python", 0, "\ud83d\n\ude00")
    document.change(1, [Edit(Position(0, 1), Position(1, 0), "")], "utf-16")
    assert str(document.text) == "😀"
