"""What changed in the files of packages from one release to the next: the edits that next edits are learned from."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from lacuna.engine.train.corpus import clients
from lacuna.engine.train.corpus.benchmark_overlap import BenchmarkOverlap
from lacuna.engine.train.corpus.filters import normalised, reason_against
from lacuna.engine.train.corpus.languages import language_of_file
from lacuna.engine.train.corpus.licences import permissive
from lacuna.engine.train.corpus.packages import open_package
from lacuna.engine.train.corpus.sources import REGISTRIES, CorpusError, Source
from lacuna.engine.train.corpus.split import SPLITS, split_of

LIST = Path(__file__).with_name("release_pairs.tsv")
MOST_CHARACTERS = 60_000  # of a file: larger ones are data
_FETCHES = 4  # at a time; they wait for the network


@dataclass(frozen=True, order=True)
class ReleasePair:
    """Two releases of a package, one after the other."""

    registry: str
    package: str
    older: str
    newer: str
    licence: str  # of both, as their metadata state it; another one leaves the pair out

    def __str__(self) -> str:
        return f"{self.registry} {self.package} {self.older} to {self.newer}"

    @property
    def sources(self) -> tuple[Source, Source]:
        older, newer = (Source(self.registry, self.package, one, self.licence) for one in (self.older, self.newer))
        return older, newer


@dataclass(frozen=True)
class ChangedFile:
    """A file that both releases have, and that is not the same in them. The fields are the keys of its JSON line."""

    package: str
    older: str
    newer: str
    licence: str
    language: str  # a name of engine/text/languages.py
    path: str  # inside the package
    before: str  # "\n" line ends
    after: str


def read_list(path: Path = LIST) -> list[ReleasePair]:
    """The list: tab-separated registry, package, older, newer and licence, below a line of these names. Sorted."""
    with path.open(encoding="utf-8", newline="") as lines:
        pairs = [ReleasePair(**row) for row in csv.DictReader(lines, delimiter="\t")]
    for pair in pairs:
        if pair.registry not in REGISTRIES:
            raise CorpusError(f"{path}: {pair.registry!r} is none of {', '.join(REGISTRIES)}")
    return sorted(pairs)


def file_of(directory: Path, split: str) -> Path:
    """Where `build` puts a split's changed files."""
    return directory / f"edits-{split}.jsonl"


def build(
    directory: Path,
    report: Callable[[str], None],
    splits: Sequence[str] = SPLITS,
    benchmarks: Sequence[Path] = (),
    pairs: Path = LIST,
) -> dict[str, int]:
    """Writes edits-train.jsonl, edits-validation.jsonl and edits-test.jsonl into `directory`, and returns how many
    changed files each split has.

    Packages are split as the corpus is. `benchmarks` are JSON lines whose text must not appear. Fetched
    packages stay in `downloads/`. Raises CorpusError.
    """
    wanted = [pair for pair in read_list(pairs) if split_of(pair.package) in splits]
    downloads = directory / "downloads"
    clients.prepare([source for pair in wanted for source in pair.sources], downloads)
    overlap, counts = BenchmarkOverlap(benchmarks), dict.fromkeys(splits, 0)
    with ExitStack() as stack:
        for split in splits:
            lines = stack.enter_context(_replaced(file_of(directory, split)).open("w", encoding="utf-8", newline="\n"))
            for pair in _fetched([pair for pair in wanted if split_of(pair.package) == split], downloads, report):
                files = list(_changed(pair, downloads, overlap))
                lines.writelines(json.dumps(asdict(file), ensure_ascii=False) + "\n" for file in files)
                report(f"{split}: {pair}: {len(files)} changed files")
                counts[split] += len(files)
    for split in splits:
        os.replace(_replaced(file_of(directory, split)), file_of(directory, split))
    return counts


def read(directory: Path, split: str) -> list[ChangedFile]:
    """A split's changed files. Raises CorpusError where it was not built."""
    file = file_of(directory, split)
    if not file.exists():
        raise CorpusError(f"{file} is not there: `lacuna corpus edits` makes it")
    with file.open(encoding="utf-8") as lines:
        return [ChangedFile(**json.loads(line)) for line in lines]


def _replaced(file: Path) -> Path:
    return file.with_name(f".{file.name}")


def _fetched(pairs: Sequence[ReleasePair], downloads: Path, report: Callable[[str], None]) -> Iterator[ReleasePair]:
    """Those whose releases could be had, in their order."""

    def fetch(pair: ReleasePair) -> str:
        try:
            for source in pair.sources:
                clients.fetch(source, downloads)
        except clients.FetchError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(_FETCHES) as pool:
        for pair, error in zip(pairs, pool.map(fetch, pairs), strict=True):
            if error:
                report(f"left out: {pair}: {error}")
            else:
                yield pair


def _changed(pair: ReleasePair, downloads: Path, overlap: BenchmarkOverlap) -> Iterator[ChangedFile]:
    older, newer = (_texts(source, downloads) for source in pair.sources)
    for path in sorted(older.keys() & newer.keys()):
        before, after = older[path], newer[path]
        if before != after and overlap.kind(before) is None and overlap.kind(after) is None:
            language = language_of_file(path, after)
            yield ChangedFile(pair.package, pair.older, pair.newer, pair.licence, language, path, before, after)


def _texts(source: Source, downloads: Path) -> dict[str, str]:
    """A release's files that are worth learning from; none where its licence is another than the list has."""
    package = open_package(source.registry, clients.folder_of(source, downloads))
    if package.licence != source.licence or not permissive(package.licence):
        return {}
    found = ((path, normalised(data)) for path, data in package.files)
    return {
        path: text
        for path, text in found
        if text is not None and len(text) <= MOST_CHARACTERS and reason_against(path, text) is None
    }
