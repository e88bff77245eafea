"""The files of a corpus split: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceFile:
    package: str
    path: str  # inside the package
    language: str  # a name of engine/text/languages.py's table
    text: str

    @property
    def name(self) -> str:
        return f"{self.package}/{self.path}"


def read_split(split: Path) -> Iterator[SourceFile]:
    """The files of train.jsonl, validation.jsonl or test.jsonl. Raises ValueError for what is no such file."""
    if not split.is_file():
        raise ValueError(f"there is no corpus split {split}: run `lacuna corpus build`")
    with split.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                fields = json.loads(line)
                file = SourceFile(fields["package"], fields["path"], fields["language"], fields["text"])
            except (ValueError, LookupError, TypeError) as error:
                raise ValueError(f"{split}, line {number}: not a file of a corpus: {error!r}") from error
            yield file
