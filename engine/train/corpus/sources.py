"""What the corpus is made of: the committed list of packages with versions and licences, and a file of one of them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("sources.tsv")
# Debian's source packages, and those of its built packages that are sources: golang-*-dev and librust-*-dev.
REGISTRIES = ("pypi", "npm", "debian", "debian-dev")


class CorpusError(Exception):
    """The corpus cannot be built; the message says what to do."""


@dataclass(frozen=True, order=True)
class Source:
    """One package at one version."""

    registry: str
    package: str
    version: str
    licence: str  # as the package's metadata states it; another licence than the listed one leaves the package out

    def __str__(self) -> str:
        return f"{self.registry} {self.package} {self.version}"


@dataclass(frozen=True)
class SourceFile:
    """One row of the corpus. The fields are the keys of its JSON line, in this order."""

    package: str
    version: str
    licence: str
    language: str  # a name of engine/text/languages.py
    path: str  # inside the package
    text: str  # "\n" line ends


def read_list(path: Path = LIST) -> list[Source]:
    """The list: tab-separated registry, package, version and licence, below a line of these names. Sorted."""
    with path.open(encoding="utf-8", newline="") as lines:
        sources = [Source(**row) for row in csv.DictReader(lines, delimiter="\t")]
    for source in sources:
        if source.registry not in REGISTRIES:
            raise CorpusError(f"{path}: {source.registry!r} is none of {', '.join(REGISTRIES)}")
    return sorted(sources)
