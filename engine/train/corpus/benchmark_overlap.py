"""Text of public benchmarks, which must not be trained on: by runs of words, by names, and by what tasks begin with."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# HumanEval's tasks: the function's name, and the first eight words of its docstring. For a corpus built without the
# benchmark at hand, and for its translations into other languages.
SIGNATURES = Path(__file__).with_name("benchmark_signatures.tsv")
RUN = 13  # words
_DISTINCT = 8  # of a run's words; boilerplate and tables have fewer
_OPENING = 8  # words
_LEAST_NAME = 3  # words; shorter names are anybody's
_WORD = re.compile(r"[^\W\d_]+")
_FUNCTION = re.compile(r"\b(?:def|function|func|fn)\s+(\w+)")
# What every task of MBPP begins with, and files that carry a benchmark or talk about its tasks.
_BENCHMARK = re.compile(r"\bwrite an? (?:python )?function to\b|\bhuman_?eval\b|\bmbpp\b", re.IGNORECASE)


class BenchmarkOverlap:
    """Looks for the benchmarks of the committed signatures, and of `benchmarks`: JSON lines, also gzipped."""

    def __init__(self, benchmarks: Sequence[Path] = ()) -> None:
        self._runs = {run for path in benchmarks for text in _texts(path) for run in _distinct(_words(text), RUN)}
        with SIGNATURES.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        self._names = {row["name"] for row in rows if row["name"].count("_") + 1 >= _LEAST_NAME}
        self._openings = {row["opening"] for row in rows if row["opening"]}
        self._heads = self._openings | {" ".join(run.split()[:_OPENING]) for run in self._runs}

    def kind(self, text: str) -> str | None:
        """How the text overlaps with a benchmark: by "mention", "name", "opening" or "run"; None where it does not."""
        if _BENCHMARK.search(text):
            return "mention"
        if not self._names.isdisjoint(_FUNCTION.findall(text)):
            return "name"
        words = _words(text)
        heads = self._heads.intersection(_runs(words, _OPENING))
        if not heads.isdisjoint(self._openings):
            return "opening"
        return "run" if heads and not self._runs.isdisjoint(_runs(words, RUN)) else None


def _texts(benchmark: Path) -> Iterator[str]:
    """The strings of every task."""
    with (
        gzip.open(benchmark, "rt", encoding="utf-8")
        if benchmark.suffix == ".gz"
        else benchmark.open(encoding="utf-8") as lines
    ):
        for line in lines:
            task = json.loads(line)
            yield from (value for value in task.values() if isinstance(value, str))
            # What stands in the middle of a hole belongs together with both sides.
            yield "".join(str(task.get(key, "")) for key in ("prompt", "canonical_solution", "suffix"))


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _runs(words: Sequence[str], length: int) -> Iterator[str]:
    return (" ".join(words[at : at + length]) for at in range(len(words) - length + 1))


def _distinct(words: Sequence[str], length: int) -> Iterable[str]:
    return (run for run in _runs(words, length) if len(set(run.split())) >= _DISTINCT)
