"""An evaluation: the gaps of a corpus split, answered by every method, file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tqdm import tqdm

from lacuna.engine.evaluate import answers, subject
from lacuna.engine.evaluate.answers import AnswerFile
from lacuna.engine.evaluate.gaps import EvaluationGap, GapKind, cut_gaps
from lacuna.engine.evaluate.methods import ENDING, PRODUCT, Answerer, Decoding, Method
from lacuna.engine.evaluate.outcome import Outcome, outcome
from lacuna.engine.evaluate.report import Report
from lacuna.engine.evaluate.source_files import read_split
from lacuna.engine.evaluate.subject import Subject
from lacuna.engine.store import model_store, paths

CONFIDENCE = 0.4  # the server's setting from which a suggestion is shown unasked


@dataclass(frozen=True)
class Plan:
    """What is evaluated."""

    gaps: int = 1920  # from about 120 files, or a few more
    limit: int = 0  # only so many of them, from the first on; 0 for no limit
    methods: tuple[Method, ...] = tuple(Method)
    kinds: tuple[GapKind, ...] = tuple(GapKind)
    languages: tuple[str, ...] = ()  # none: all
    seed: int = 0
    decoding: Decoding = PRODUCT
    confidence: float = CONFIDENCE
    ends: bool = True  # whether ends of holes are looked at: in answers that are not cut, and teacher-forced


EVERYTHING = Plan()


def evaluate(
    model: str = model_store.EMBEDDED,
    corpus: Path | None = None,
    plan: Plan = EVERYTHING,
    *,
    adapter_at: Path | None = None,
    progress: bool = True,
) -> Report:
    """Answers every gap of the plan by every method. What was answered before, by the same model, is not asked again.

    `corpus` is a split (JSON lines); the test split of the user's corpus where it is None. Raises ValueError for a
    split that is none or holds no such gaps, ModelMissing, WeightsError.
    """
    evaluated = subject.load(model, adapter_at)
    split = corpus or paths.corpus() / "test.jsonl"
    gaps = cut_gaps(
        [file for file in read_split(split) if not plan.languages or file.language in plan.languages],
        plan.gaps,
        evaluated.count,
        plan.seed,
        plan.kinds,
    )[: plan.limit or None]
    if not gaps:
        raise ValueError(f"{split} holds no gaps of these kinds and languages")
    with tqdm(total=len(gaps), unit="gap", disable=None if progress else True) as bar:
        outcomes = tuple(_outcomes(gaps, plan, evaluated, bar.update))
    return Report(outcomes, plan.methods, evaluated.denoiser.config.gate, plan.confidence)


def _outcomes(
    gaps: Sequence[EvaluationGap], plan: Plan, subject: Subject, done: Callable[[], object]
) -> Iterator[Outcome]:
    """File by file, so that what its gaps share is read once."""
    own, shared = answers.place(subject.name), answers.place(subject.base_name)
    ending = tuple(method for method in plan.methods if method in ENDING and plan.ends)
    with AnswerFile(own) as known, AnswerFile(shared) as known_of_base:
        for _, of_file in groupby(gaps, key=lambda gap: gap.file.name):
            answerer = Answerer(subject, plan.decoding, known, known_of_base)
            for gap in of_file:
                end = answerer.end_of_hole(gap) if plan.ends else None
                yield outcome(gap, answerer.answer, plan.methods, ending, subject.count, end)
                done()
