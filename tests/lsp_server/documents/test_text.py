"""Immutable text against a naive model of LSP: positions in three encodings, edits, windows, bytes."""

from __future__ import annotations

import random
import re

import pytest

from lacuna.lsp_server.documents import text as text_module
from lacuna.lsp_server.documents.text import Encoding, Place, Position, Text

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
PIECES = ["a", "b c", "x = 1", "\t", "\n", "\n", "\r\n", "\r", "\f", "\v", "\x1c", "\u0085", "\u2028", "\u2029", "\0"]
PIECES += ["é", "e\u0301", "日本", "😀", "👩‍👩‍👧", "\ufeff", "\ud83d", "\udc00"]


class NaiveText:
    """The definition: one string, cut and measured anew for every question."""

    def __init__(self, text: str) -> None:
        self.text = re.sub("[\ud800-\udfff]", "\ufffd", text)

    def lines(self) -> list[str]:
        pieces = [*re.split(r"(\r\n|\r|\n)", self.text), ""]
        return [content + end for content, end in zip(pieces[::2], pieces[1::2], strict=True)]

    def offset(self, position: Position, encoding: Encoding) -> int:
        lines = [*self.lines()]
        if position.line >= len(lines):
            return len(self.text)
        start = sum(map(len, lines[: position.line]))
        units = 0
        for index, character in enumerate(lines[position.line].rstrip("\r\n")):
            units += len(character.encode(encoding if encoding == "utf-8" else encoding + "-le")) // WIDTH[encoding]
            if units > position.character:
                return start + index
        return start + len(lines[position.line].rstrip("\r\n"))


WIDTH = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def random_text(source: random.Random, pieces: int) -> str:
    return "".join(source.choice(PIECES) for _ in range(source.randrange(pieces)))


def random_position(source: random.Random, lines: int) -> Position:
    return Position(source.randrange(lines + 2), source.choice([0, 1, 2, 3, 5, 8, 1000]))


@pytest.mark.parametrize("block_lines", [1, 2, 256])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_random_edits_agree_with_the_naive_model(
    encoding: Encoding, block_lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_module, "_BLOCK_LINES", block_lines)
    for seed in range(400):
        source = random.Random(seed)
        naive = NaiveText(random_text(source, 40))
        text = Text(naive.text)
        for _ in range(8):
            ends = [random_position(source, text.line_count), random_position(source, text.line_count)]
            start, end = sorted(ends, key=lambda position: naive.offset(position, encoding))
            new = random_text(source, 6)
            first, last = naive.offset(start, encoding), naive.offset(end, encoding)
            naive = NaiveText(naive.text[:first] + new + naive.text[last:])
            text = text.replace(text.place(start, encoding), text.place(end, encoding), new)
            check_agrees(text, naive, seed)


def check_agrees(text: Text, naive: NaiveText, seed: int) -> None:
    lines = naive.lines()
    assert str(text) == naive.text, seed
    assert len(text) == len(naive.text)
    assert text.byte_count == len(naive.text.encode())
    assert text.lines(0, len(lines) + 1) == lines
    assert [text.line(index) for index in range(text.line_count)] == [line.rstrip("\r\n") for line in lines]
    assert text.longest_line == max(map(len, lines))


@pytest.mark.parametrize("block_lines", [1, 3, 256])
def test_places_offsets_points_and_windows(block_lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_BLOCK_LINES", block_lines)
    for seed in range(60):
        source = random.Random(seed)
        text = Text(random_text(source, 30))
        whole = str(text)
        for offset in range(len(whole) + 1):
            place = text.place_at(offset)
            assert text.offset(place) == offset
            before = whole[:offset].encode()
            row_start = before.rfind(b"\n") + 1
            assert text.point(place) == (len(before), before.count(b"\n"), len(before) - row_start)
            size = source.randrange(12)
            assert text.before(place, size) == whole[max(offset - size, 0) : offset]
            assert text.after(place, size) == whole[offset : offset + size]
            assert whole.encode()[len(before) :].startswith(text.read_utf8(len(before)))
        assert text.read_utf8(text.byte_count) == b""


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_positions_of_places_come_back(encoding: Encoding) -> None:
    for seed in range(60):
        text = Text(random_text(random.Random(seed), 30))
        for line in range(text.line_count):
            for column in range(len(text.line(line)) + 1):
                assert text.place(text.position(Place(line, column), encoding), encoding) == (line, column)


def test_reading_in_bytes_gives_the_whole_text() -> None:
    text = Text("".join(f"línea {number}\r\n" for number in range(3000)))
    data, read = str(text).encode(), b""
    while piece := text.read_utf8(len(read)):
        read += piece
    assert read == data


def test_a_position_in_the_middle_of_a_character_is_its_start() -> None:
    text = Text("a😀b")
    assert [text.place(Position(0, unit), "utf-16").column for unit in range(6)] == [0, 1, 1, 2, 3, 3]
    assert [text.place(Position(0, unit), "utf-8").column for unit in range(8)] == [0, 1, 1, 1, 1, 2, 3, 3]


def test_positions_outside_the_text_are_clamped() -> None:
    text = Text("one\r\ntwo")
    assert text.place(Position(0, 99), "utf-16") == (0, 3)  # before the line end, never between \r and \n
    assert text.place(Position(7, 0), "utf-16") == text.end == (1, 3)
    assert text.place(Position(-1, 5), "utf-16") == (0, 0)
    assert text.place(Position(1, -1), "utf-16") == (1, 0)
    assert text.place_at(99) == (1, 3)


def test_only_lsp_line_ends_end_lines() -> None:
    assert Text("a\fb\x0bc\x1cd\x85e\u2028f\u2029g\nh\r\ni\rj").line_count == 4
    assert Text("").line_count == 1
    assert Text("a\n").line_count == 2


def test_line_ends_that_an_edit_joins_become_one() -> None:
    text = Text("a\rb\nc")
    assert text.replace(Place(1, 0), Place(1, 1), "").lines(0, 9) == ["a\r\n", "c"]
    text = Text("a\nb")
    assert text.replace(Place(0, 1), Place(0, 1), "\r").lines(0, 9) == ["a\r\n", "b"]


def test_newline_is_that_of_most_lines() -> None:
    assert Text("a\r\nb\r\nc\n").newline == "\r\n"
    assert Text("a\r\nb\nc\n").newline == "\n"
    assert Text("no line end").newline == "\n"


def test_an_edit_leaves_the_text_before_it_as_it_was() -> None:
    before = Text("one\ntwo\n")
    after = before.replace(Place(0, 0), Place(1, 0), "")
    assert (str(before), str(after)) == ("one\ntwo\n", "two\n")


def test_blocks_stay_few_and_even_when_text_grows_line_by_line() -> None:
    text = Text("")
    for number in range(3000):
        text = text.replace(text.end, text.end, f"line {number}\n")
    sizes = [len(block.lines) for block in text._blocks]
    assert max(sizes) <= 2 * text_module._BLOCK_LINES
    assert len(sizes) <= 2 * 3000 / text_module._BLOCK_LINES


@pytest.mark.parametrize(
    "huge", ["x = 1\n" * 3_500_000, "x" * 1_000_000, "é" * 1_000_000, "\0" * 1000], ids=["20MB", "1MB", "2MB", "nulls"]
)
def test_huge_and_odd_texts_can_be_edited(huge: str) -> None:
    text = Text(huge)
    middle = text.place_at(len(huge) // 2)
    text = text.replace(middle, middle, "inserted 😀")
    assert text.before(text.place_at(text.offset(middle) + 10), 10) == "inserted 😀"
    assert len(text) == len(huge) + 10
