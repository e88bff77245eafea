"""Builds the corpus: fetch, read, filter, drop copies, split by package, write."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from lacuna.engine.train.corpus import clients
from lacuna.engine.train.corpus.benchmark_overlap import BenchmarkOverlap
from lacuna.engine.train.corpus.filters import normalised, reason_against
from lacuna.engine.train.corpus.languages import language_of_file
from lacuna.engine.train.corpus.licences import permissive
from lacuna.engine.train.corpus.near_duplicates import NearDuplicates
from lacuna.engine.train.corpus.packages import Package, open_package
from lacuna.engine.train.corpus.report import Report
from lacuna.engine.train.corpus.sources import LIST, REGISTRIES, CorpusError, Source, SourceFile, read_list
from lacuna.engine.train.corpus.split import SPLITS, split_of

# Held-out text comes first, so that it is the copy in train that goes.
_ORDER = ("test", "validation", "train")
# Of one package: more of the same teaches less, and Python is to be half of all.
_PYTHON_PACKAGE_BYTES, _PACKAGE_BYTES = 700_000, 200_000
_FETCHES = 4  # at a time; they wait for the network


def build(
    directory: Path,
    report: Callable[[str], None],
    only: Sequence[str] = (),
    benchmarks: Sequence[Path] = (),
    sources: Path = LIST,
) -> Report:
    """Write train.jsonl, validation.jsonl, test.jsonl and corpus.json into `directory`, and return what the last holds.

    `only` names registries (all by default); `benchmarks` are JSON lines whose text must not appear, besides HumanEval,
    which is known by its signatures. `report` gets lines about progress. Fetched packages are kept in `downloads/`, so
    an interrupted build goes on there, and the same sources give the same files. Raises CorpusError.
    """
    wanted = [source for source in read_list(sources) if source.registry in _registries(only)]
    result = Report(benchmarks=[path.name for path in benchmarks])
    overlap = BenchmarkOverlap(benchmarks)
    with _alone(directory):
        clients.prepare(wanted, directory / "downloads")
        folders = _fetch(wanted, directory / "downloads", report, result)
        _write(_kept(folders, overlap, report, result), directory, result)
    report(result.summary())
    return result


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CorpusError(f"another process is building the corpus in {directory}; wait for it") from error
    try:
        yield
    finally:
        lock.release()


def _registries(only: Sequence[str]) -> Sequence[str]:
    for name in only:
        if name not in REGISTRIES:
            raise CorpusError(f"{name!r} is no registry; there are {', '.join(REGISTRIES)}")
    return only or REGISTRIES


def _fetch(
    sources: Sequence[Source], downloads: Path, report: Callable[[str], None], result: Report
) -> dict[Source, Path]:
    """The folders of the packages that could be had."""

    def fetch(source: Source) -> Path | str:
        try:
            return clients.fetch(source, downloads)
        except clients.FetchError as error:
            return str(error)

    folders = {}
    with ThreadPoolExecutor(_FETCHES) as pool:
        for number, (source, found) in enumerate(zip(sources, pool.map(fetch, sources), strict=True), start=1):
            if isinstance(found, Path):
                folders[source] = found
                report(f"fetched {number}/{len(sources)}: {source}")
            else:
                result.left_out[str(source)] = found
                report(f"left out {number}/{len(sources)}: {source}: {found}")
    return folders


def _kept(
    folders: dict[Source, Path], overlap: BenchmarkOverlap, report: Callable[[str], None], result: Report
) -> Iterator[tuple[str, Source, list[SourceFile]]]:
    """Split, package and its files, one package after the other in the corpus's order."""
    copies = NearDuplicates()
    for split in _ORDER:
        for source in (source for source in sorted(folders) if split_of(source.package) == split):
            package = open_package(source.registry, folders[source])
            if package.licence == source.licence and permissive(package.licence):
                files = [file for file in _readable(source, package, result) if _is_new(file, overlap, copies, result)]
                report(f"{split}: {source}: {len(files)} files")
                yield split, source, files
            else:
                result.left_out[str(source)] = f"its licence is {package.licence!r}, the list has {source.licence!r}"


def _is_new(file: SourceFile, overlap: BenchmarkOverlap, copies: NearDuplicates, result: Report) -> bool:
    """Whether it is neither benchmark text nor a copy of a file that was kept before."""
    kind = overlap.kind(file.text)
    if kind is not None:
        result.drop("benchmark text")
        result.overlaps.setdefault(kind, []).append(f"{file.package} {file.version}: {file.path}")
        return False
    if not copies.add(file.text):
        result.drop("copy")
        return False
    return True


def _readable(source: Source, package: Package, result: Report) -> list[SourceFile]:
    """As many of a package's good files as fit its share, chosen by a hash of their paths; sorted by path."""
    files: list[SourceFile] = []
    size, most = 0, _PYTHON_PACKAGE_BYTES if source.registry == "pypi" else _PACKAGE_BYTES
    for path, data in sorted(package.files, key=lambda file: hashlib.sha256(file[0].encode()).digest()):
        licence, text = package.licence_of(path), normalised(data)
        if size + len(data) > most:
            result.drop("over the package's share")
        elif not permissive(licence):
            result.drop("licence")
        elif reason := reason_against(path, text):
            result.drop(reason)
        else:
            assert text is not None, "reason_against names what is not UTF-8"
            size += len(data)
            language = language_of_file(path, text)
            files.append(SourceFile(source.package, source.version, licence, language, path, text))
    return sorted(files, key=lambda file: file.path)


def _write(packages: Iterator[tuple[str, Source, list[SourceFile]]], directory: Path, result: Report) -> None:
    """Everything under new names first, so that the corpus of an earlier build stays whole until this one is."""
    with ExitStack() as stack:
        lines = {
            split: stack.enter_context((directory / f".{split}.jsonl").open("w", encoding="utf-8", newline="\n"))
            for split in SPLITS
        }
        for split, source, files in packages:
            lines[split].writelines(json.dumps(asdict(file), ensure_ascii=False) + "\n" for file in files)
            result.add(split, source, files)
    for split in SPLITS:
        os.replace(directory / f".{split}.jsonl", directory / f"{split}.jsonl")
    result.write(directory)
