"""FILE:LINE:COL, as editors and compilers write places in files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lacuna.engine.untrusted.safe_read import NotRegularError, TooLargeError, read_regular
from lacuna.lsp_server.documents.text import Place, Text

MAX_BYTES = 64 << 20  # of a file; longer ones are data


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
        match = re.fullmatch(r"(.+):([0-9]{1,9}):([0-9]{1,9})", argument, re.DOTALL)
        if match is None:
            raise LocationError(f"{argument!r} is no location: write FILE:LINE:COL, as in src/app.py:12:5")
        path, line, column = match[1], int(match[2]), int(match[3])
        if not line or not column:
            raise LocationError(f"{argument!r} is no location: lines and columns begin at 1")
        return cls(Path(path), line, column)

    def text(self) -> Text:
        """The file's text, a byte order mark left out.

        Raises LocationError for what is no regular file, too large, or no UTF-8 text, and OSError.
        """
        try:
            text = read_regular(self.path, MAX_BYTES).decode("utf-8")
        except (NotRegularError, TooLargeError) as error:
            raise LocationError(str(error)) from error
        except UnicodeDecodeError as error:
            byte, line = error.object[error.start], error.object.count(b"\n", 0, error.start) + 1
            where = f"byte 0x{byte:02x} at offset {error.start}, in line {line}"
            raise LocationError(f"{self.path} is not UTF-8: {where}; save it as UTF-8") from error
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise LocationError(f"{self.path} is no text file: it holds a null byte, in line {line}")
        return Text(text.removeprefix("\ufeff"))

    def place(self, text: Text) -> Place:
        """The place in the file's text. Raises LocationError where it is outside."""
        if self.line > text.line_count:
            raise LocationError(f"{self.path} has {text.line_count} lines: there is no line {self.line}")
        last = len(text.line(self.line - 1)) + 1
        if self.column > last:
            raise LocationError(f"line {self.line} of {self.path} has columns 1 to {last}: {self.column} is none")
        return Place(self.line - 1, self.column - 1)
