"""An evaluation: the gaps of a corpus split, answered as the server answers them, file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from tqdm import tqdm

from lacuna.engine.evaluate import answers, gate_file, subject
from lacuna.engine.evaluate.answers import AnswerFile
from lacuna.engine.evaluate.fills import Fills
from lacuna.engine.evaluate.gaps import AUTOMATIC, EvaluationGap, GapKind, cut_gaps
from lacuna.engine.evaluate.gate_fit import Fit
from lacuna.engine.evaluate.gate_rows import gate_rows
from lacuna.engine.evaluate.outcome import Outcome
from lacuna.engine.evaluate.report import Report
from lacuna.engine.evaluate.source_files import read_split
from lacuna.engine.store import model_store, paths
from lacuna.lsp_server.evaluate.product import DEFAULT, Product, Settings, deciding


@dataclass(frozen=True)
class Plan:
    """What is evaluated."""

    gaps: int = 1920  # from about 120 files, or a few more
    limit: int = 0  # only so many of them, from the first on; 0 for no limit
    kinds: tuple[GapKind, ...] = tuple(GapKind)
    languages: tuple[str, ...] = ()  # none: all
    seed: int = 0
    settings: Settings = DEFAULT


EVERYTHING = Plan()


def evaluate(
    model: str = model_store.EMBEDDED,
    split: Path | None = None,
    plan: Plan = EVERYTHING,
    *,
    adapter_at: Path | None = None,
    progress: bool = True,
) -> Report:
    """What a user would see at every gap of the plan. What the same model and code answered before is not asked again.

    `split` are JSON lines; the test split of the user's corpus where it is None. Raises ValueError for a split that is
    none or holds no such gaps, ModelMissing, LoadError.
    """
    model_store.find(model)  # whoever misspells it need not wait for a split
    split = split or paths.corpus() / "test.jsonl"
    files = [file for file in read_split(split) if not plan.languages or file.language in plan.languages]
    gaps = cut_gaps(files, plan.gaps, plan.seed, plan.kinds)[: plan.limit or None]
    if not gaps:
        raise ValueError(f"{split} holds no gaps of these kinds and languages")
    evaluated = subject.load(model, adapter_at, deciding())
    with AnswerFile(answers.place(evaluated.name)) as known:
        product = Product(Fills(evaluated, known), plan.settings)
        with tqdm(total=len(gaps), unit="gap", disable=None if progress else True) as bar:
            return Report(tuple(_outcomes(gaps, product, bar.update)), evaluated.name)


def fit_confidence(model: str, adapter: Path, split: Path, limit: int = 0) -> Fit:
    """Fits an adapter's confidence model to what the server would show of its fills if all were sure, and writes it.

    Raises as `evaluate` does, and ValueError for too few gaps.
    """
    plan = Plan(limit=limit, kinds=AUTOMATIC, settings=replace(DEFAULT, asks=False))
    report = evaluate(model, split, plan, adapter_at=adapter)
    return gate_file.fit(adapter, gate_rows(report.outcomes), plan.settings.config.confidence)


def _outcomes(gaps: Sequence[EvaluationGap], product: Product, done: Callable[[], object]) -> Iterator[Outcome]:
    """File by file, so that what its gaps share is read once."""
    for _, of_file in groupby(gaps, key=lambda gap: gap.file.name):
        for gap in of_file:
            yield product.outcome(gap)
            done()
        product.forget(gap)
