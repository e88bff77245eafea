"""Looks through a GGUF file's header before the library reads it, which goes on behind the end of a file for as long as
an array's length says."""

from __future__ import annotations

import struct
from pathlib import Path

from lacuna.engine.untrusted.load_error import LoadError

LIMIT = 64 << 20  # bytes that are read of a file; the embedded model's header has 1.8 MB
# Bytes of a value by its type's number; 8 is a string, 9 an array.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


class _Header:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 24  # behind the magic, the version, and two counts

    def skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._content):
            raise ValueError(f"a value of {size:,} bytes ends behind the file")

    def number(self, form: str) -> int:
        start = self._at
        self.skip(struct.calcsize(form))
        return int(struct.unpack_from(form, self._content, start)[0])

    def skip_string(self) -> None:
        self.skip(self.number("<Q"))

    def skip_value(self) -> None:
        kind = self.number("<I")
        if kind != ARRAY:
            self._skip(kind, 1)
        else:
            self._skip(self.number("<I"), self.number("<Q"))

    def _skip(self, kind: int, count: int) -> None:
        if kind in SIZES:
            self.skip(SIZES[kind] * count)
        elif kind != STRING:
            raise ValueError(f"a value of the type {kind}")
        else:
            for _ in range(count):  # each one takes bytes, so this ends with the file
                self.skip_string()


def check(file: Path) -> None:
    """Raises LoadError for a file whose header says that it goes on behind its end."""
    with file.open("rb") as opened:
        content = opened.read(LIMIT)
    if len(content) < 24 or not content.startswith(b"GGUF"):
        raise LoadError.of(file, "is no GGUF file")
    header = _Header(content)
    try:
        for _ in range(struct.unpack_from("<Q", content, 16)[0]):
            header.skip_string()
            header.skip_value()
    except ValueError as error:
        raise LoadError.of(file, f"is damaged ({error})") from error
