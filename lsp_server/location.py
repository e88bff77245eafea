"""FILE:LINE:COL, as editors and compilers write places in files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.gap import Gap
from engine.languages import language_of
from lsp_server.text import Place, Text


class LocationError(ValueError):
    """A location that is none, or that no text stands at; the message says what is wrong."""


@dataclass(frozen=True)
class Location:
    """A place in a file as people write it: line and column begin at 1, columns count characters."""

    path: Path
    line: int
    column: int

    @classmethod
    def parse(cls, argument: str) -> Location:
        """Read FILE:LINE:COL from the right: the file's own name may hold colons, as `C:\\x.py` does."""
        path, *numbers = argument.rsplit(":", 2)
        if not path or len(numbers) != 2 or not all(number.isascii() and number.isdigit() for number in numbers):
            raise LocationError(f"{argument!r} is no location: write FILE:LINE:COL, as in src/app.py:12:5")
        line, column = map(int, numbers)
        if not line or not column:
            raise LocationError(f"{argument!r} is no location: lines and columns begin at 1")
        return cls(Path(path), line, column)

    def text(self) -> Text:
        """The file's text, a byte order mark left out. Raises LocationError for what is no UTF-8 text, and OSError."""
        try:
            text = self.path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            line = error.object.count(b"\n", 0, error.start) + 1
            raise LocationError(
                f"{self.path} is not UTF-8: byte 0x{byte:02x} at offset {error.start}, line {line}; save it as UTF-8"
            ) from error
        if "\0" in text:
            raise LocationError(f"{self.path} is not a text file: it holds a null byte at character {text.index(chr(0))}")
        return Text(text.removeprefix("\ufeff"))

    def place(self, text: Text) -> Place:
        """The place in the file's text. Raises LocationError where it is outside."""
        if self.line > text.line_count:
            raise LocationError(f"{self.path} has {text.line_count} lines: there is no line {self.line}")
        length = len(text.line(self.line - 1))
        if self.column > length + 1:
            raise LocationError(
                f"line {self.line} of {self.path} has {length} characters: columns 1 to {length + 1}, not {self.column}"
            )
        return Place(self.line - 1, self.column - 1)


def gap_between(prefix: str, suffix: str, language: str, max_tokens: int) -> Gap:
    """The gap between two texts with any line ends; `language` is an editor's or our own name, or a file's name."""
    return Gap(_plain(prefix), _plain(suffix), language_of(language, language), max_tokens=max_tokens)


def newline_of(prefix: str, suffix: str) -> str:
    """The line end that most lines around a gap have: what a fill's own are to be."""
    crlf, all_ends = (prefix.count(end) + suffix.count(end) for end in ("\r\n", "\n"))
    return "\r\n" if 2 * crlf > all_ends else "\n"


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
