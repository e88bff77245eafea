"""Functional correctness: benchmarks of the HumanEval-Infilling form (arXiv 2207.14255), a fill passes if its tests do.

One fill a task, the engine's first: pass@1 without sampling. The server is left out: a benchmark's holes are no
cursors, and its fills are as long as they need be.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from lacuna.engine.api import Gap, Infill
from lacuna.engine.evaluate import answers, subject
from lacuna.engine.evaluate.answers import AnswerFile
from lacuna.engine.evaluate.fills import Fills
from lacuna.engine.evaluate.sandbox import LIMITS, Limits, Verdict, run_all

NUM_CANDIDATES = 2
MAX_TOKENS = 100  # canvas after canvas: the engine has room for 128 tokens behind its longest prefix window
FIELDS = ("task_id", "prompt", "suffix", "canonical_solution", "test", "entry_point")


@dataclass(frozen=True)
class Task:
    task_id: str
    prompt: str
    suffix: str
    canonical_solution: str
    test: str
    entry_point: str

    @property
    def gap(self) -> Gap:
        return Gap(self.prompt, self.suffix, "python", max_tokens=MAX_TOKENS)

    def program(self, fill: str) -> str:
        return f"{self.prompt}{fill}{self.suffix}\n{self.test}\ncheck({self.entry_point})\n"


@dataclass(frozen=True)
class Attempt:
    task: Task
    fill: str
    verdict: Verdict

    @property
    def exact(self) -> bool:
        return self.fill == self.task.canonical_solution


@dataclass(frozen=True)
class PassReport:
    attempts: tuple[Attempt, ...]

    @property
    def pass_at_1(self) -> float:
        """Percent."""
        return 100.0 * sum(attempt.verdict.passed for attempt in self.attempts) / len(self.attempts)

    @property
    def exact(self) -> float:
        """Percent."""
        return 100.0 * sum(attempt.exact for attempt in self.attempts) / len(self.attempts)

    def summary(self) -> dict[str, object]:
        return {
            "tasks": len(self.attempts),
            "pass_at_1": round(self.pass_at_1, 1),
            "exact": round(self.exact, 1),
        }

    def show(self, console: Console) -> None:
        """What came of the tasks; the last line is the summary as JSON."""
        table = Table(title=f"{len(self.attempts)} tasks", title_justify="left")
        table.add_column("outcome")
        table.add_column("tasks", justify="right")
        for outcome, count in Counter(attempt.verdict.reason or "passed" for attempt in self.attempts).most_common():
            table.add_row(outcome, str(count))
        console.print(table)
        console.print(json.dumps(self.summary()), soft_wrap=True, highlight=False, markup=False)


def pass_at_1(
    model: str,
    benchmark: Path,
    limit: int = 0,
    *,
    adapter_at: Path | None = None,
    limits: Limits = LIMITS,
    at_once: int = 1,
    progress: bool = True,
) -> PassReport:
    """Fills the holes of a benchmark, `.jsonl` or `.jsonl.gz`, and runs the tests, `at_once` programs at a time.

    Raises ValueError for a file that is no such benchmark, ModelMissing, WeightsError.
    """
    tasks = list(read_tasks(benchmark))[: limit or None]
    if not tasks:
        raise ValueError(f"{benchmark} holds no tasks")
    evaluated = subject.load(model, adapter_at)
    filling = tqdm(tasks, "Filling", unit="task", disable=None if progress else True)
    with AnswerFile(answers.place(evaluated.name)) as known:
        filled = Fills(evaluated, known)
        fills = [whole(filled.of(task.gap, NUM_CANDIDATES)[0]) for task in filling]
    programs = [task.program(fill) for task, fill in zip(tasks, fills, strict=True)]
    running = tqdm(
        run_all(programs, limits, at_once), "Running", len(tasks), unit="task", disable=None if progress else True
    )
    attempts = [Attempt(task, fill, verdict) for task, fill, verdict in zip(tasks, fills, running, strict=True)]
    return PassReport(tuple(attempts))


def whole(infill: Infill) -> str:
    """A fill; of one that ran out of tokens its whole lines, if it has any: the server shows no broken line either."""
    lines, _, _ = infill.text.rpartition("\n")
    return infill.text if infill.features.ended or not lines else lines


def read_tasks(benchmark: Path) -> Iterator[Task]:
    """Raises ValueError for a line that is no task, and for a file that is not there."""
    if not benchmark.is_file():
        raise ValueError(f"there is no benchmark {benchmark}")
    opened = gzip.open if benchmark.suffix == ".gz" else open
    with opened(benchmark, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
                yield Task(*(str(fields[name]) for name in FIELDS))
            except (ValueError, LookupError, TypeError) as error:
                raise ValueError(f"{benchmark}, line {number}: not a task: {error!r}") from error
