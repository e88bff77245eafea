"""The commands around the embedded model's adapter: `lacuna corpus`, `lacuna train`, `lacuna eval`.

They need the extra `train` (pip install 'lacuna[train]'), and what they need is imported when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lacuna.engine.store import model_store, paths
from lacuna.lsp_server.cli.failure import fail

if TYPE_CHECKING:
    from lacuna.engine.evaluate.gate_fit import Fit
    from lacuna.engine.train.documents import Document
    from lacuna.engine.train.edits.edit_run import EditRun
    from lacuna.engine.train.loss import Measure
    from lacuna.engine.train.run import Budget, Run

WINDOWS_MEASURED = 24  # of held-out text, about 1,000 gaps
HISTORIES_MEASURED = 40  # of held-out releases, about 120 windows

corpus = typer.Typer(help="The texts that the embedded model's adapter is trained on.", no_args_is_help=True)
train = typer.Typer(help="Train adapters.", no_args_is_help=True)

Model = Annotated[str, typer.Option(help="A base model that was pulled, or a model directory.")]
Corpus = Annotated[Path | None, typer.Option(help="The corpus' directory; by default in the user's cache.")]


@corpus.command("build")
def build(
    directory: Corpus = None,
    only: Annotated[list[str] | None, typer.Option(help="pypi, npm, debian or debian-dev. Repeat for more.")] = None,
    benchmark: Annotated[
        list[Path] | None, typer.Option(help="JSON lines whose text must not be in it. Repeat for more.")
    ] = None,
) -> None:
    """Fetch permissively licensed sources by name and version, filter and split them. Goes on where it was stopped."""
    from lacuna.engine.train.corpus.build import build
    from lacuna.engine.train.corpus.sources import CorpusError

    try:
        build(directory or paths.corpus(), print, only or (), benchmark or ())
    except (CorpusError, OSError) as error:
        fail(str(error))


@corpus.command("edits")
def edits(
    directory: Corpus = None,
    benchmark: Annotated[
        list[Path] | None, typer.Option(help="JSON lines whose text must not be in it. Repeat for more.")
    ] = None,
) -> None:
    """Fetch pairs of successive releases by name and version, and keep the files that changed."""
    from lacuna.engine.train.corpus import releases
    from lacuna.engine.train.corpus.sources import CorpusError

    try:
        releases.build(directory or paths.corpus(), print, benchmarks=benchmark or ())
    except (CorpusError, OSError) as error:
        fail(str(error))


@train.command("gap")
def gap(
    repo: Annotated[Path | None, typer.Option(help="Train on this git repository instead of the corpus.")] = None,
    name: Annotated[str, typer.Option(help="The adapter's; by default the repository's, or 'main'.")] = "",
    minutes: Annotated[float, typer.Option(min=0, help="How long to train.")] = 20.0,
    gaps: Annotated[int, typer.Option(min=0, help="Stop after so many gaps; 0 for no limit.")] = 0,
    decay: Annotated[
        bool, typer.Option(help="Let the rate fall to 0: for the last stretch before an adapter is used.")
    ] = True,
    start: Annotated[Path | None, typer.Option(help="An adapter's directory to begin with.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Learning rate after the warm-up.")] = 1e-3,
    windows: Annotated[int, typer.Option(min=1, help="Windows of about 50 gaps that one step learns from.")] = 2,
    seed: int = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 chooses.")] = 0,
    model: Model = model_store.EMBEDDED,
    directory: Corpus = None,
) -> None:
    """Train an adapter on a corpus or on a repository of one's own, and say what that gained on held-out text."""
    from lacuna.engine.families.gap.loading import adapter_directory
    from lacuna.engine.layers.weight_files import WeightsError
    from lacuna.engine.train import run
    from lacuna.engine.train.trainer import TrainConfig

    try:
        name = name or (repo.resolve().name if repo else "main")
        target = paths.training() / name
        _may_start(target, start)
        documents, held_out = _documents(repo, directory or paths.corpus())
        config = TrainConfig(learning_rate=rate, decay=decay, windows_per_step=windows)
        start = start or adapter_directory(model)
        begun = run.Run(model, documents, target, config, start=start, seed=seed, device=device, threads=threads)
        before = begun.measure(held_out, WINDOWS_MEASURED)
        _train(begun, run.Budget(minutes * 60.0, gaps))
        after = begun.measure(held_out, WINDOWS_MEASURED)
    except (ValueError, OSError, model_store.ModelMissing, WeightsError) as error:
        fail(str(error))
    _plot(target / run.METRICS, target / "training.png")
    print(_gained(before, after))
    print(f"the adapter is in {target}\nuse it: lacuna serve --adapter {name}")


@train.command("edits")
def train_edits(
    name: Annotated[str, typer.Option(help="The adapter's.")] = "edits",
    minutes: Annotated[float, typer.Option(min=0, help="How long to train.")] = 60.0,
    windows: Annotated[int, typer.Option(min=0, help="Stop after so many windows; 0 for no limit.")] = 0,
    decay: Annotated[
        bool, typer.Option(help="Let the rate fall to 0: for the last stretch before an adapter is used.")
    ] = True,
    start: Annotated[Path | None, typer.Option(help="An edits adapter's directory to begin with.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Learning rate after the warm-up.")] = 3e-4,
    histories: Annotated[int, typer.Option(min=1, help="Histories of 2 to 3 windows that a step learns from.")] = 3,
    seed: int = 0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 chooses.")] = 0,
    model: Annotated[
        str, typer.Option(help="A base in the FIM layout that was pulled, or a model directory.")
    ] = model_store.DEFAULT_PULL,
    directory: Corpus = None,
) -> None:
    """Train an adapter for next edits, on top of the model's own, and say what that gained on held-out releases."""
    from lacuna.engine.layers.weight_files import WeightsError
    from lacuna.engine.train.corpus import releases
    from lacuna.engine.train.corpus.sources import CorpusError
    from lacuna.engine.train.edits import edit_run
    from lacuna.engine.train.run import Budget
    from lacuna.engine.train.trainer import TrainConfig

    target, config = paths.training() / name, TrainConfig(learning_rate=rate, decay=decay, windows_per_step=histories)
    try:
        _may_start(target, start)
        files, held_out = (releases.read(directory or paths.corpus(), split) for split in ("train", "validation"))
        begun = edit_run.EditRun(model, files, target, config, start=start, seed=seed, threads=threads)
        before = begun.measure(held_out, HISTORIES_MEASURED)
        _train(begun, Budget(minutes * 60.0, windows))
        after = begun.measure(held_out, HISTORIES_MEASURED)
    except (CorpusError, ValueError, OSError, model_store.ModelMissing, WeightsError) as error:
        fail(str(error))
    print(f"held-out releases, before: {before.in_words}\nafter: {after.in_words}\nthe adapter is in {target}")


@train.command("fit-confidence")
@train.command("fit-gate", hidden=True)  # its name in 0.1, until 0.3
def fit_confidence(
    adapter: Annotated[
        Path, typer.Argument(help="The adapter's directory: the confidence model is written into its metadata.")
    ],
    split: Annotated[Path | None, typer.Option(help="A corpus split; by default the validation split.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="So many gaps at most; 0 for all.")] = 0,
    model: Model = model_store.EMBEDDED,
) -> None:
    """Fit how confident a fill is to how often it is right, and draw the risk-coverage curve beside the adapter."""
    from lacuna.engine.layers.weight_files import WeightsError
    from lacuna.lsp_server.evaluate.evaluation import fit_confidence as fit

    try:
        fitted = fit(model, adapter, split or paths.corpus() / "validation.jsonl", limit)
    except (ValueError, OSError, model_store.ModelMissing, WeightsError) as error:
        fail(str(error))
    print(_fitted(fitted))


def evaluate(
    benchmark: Annotated[
        Path | None, typer.Option(help="Run a benchmark of HumanEval-Infilling's form instead: .jsonl or .jsonl.gz.")
    ] = None,
    split: Annotated[Path | None, typer.Option(help="A corpus split; by default the test split.")] = None,
    adapter: Annotated[Path | None, typer.Option(help="An adapter's directory; by default the shipped one.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="So many gaps or tasks at most; 0 for all.")] = 0,
    model: Model = model_store.EMBEDDED,
) -> None:
    """Measure on held-out packages what a user would be shown, asked and unasked. The last line is JSON."""
    from rich.console import Console

    from lacuna.engine.evaluate.benchmark import pass_at_1
    from lacuna.engine.layers.weight_files import WeightsError
    from lacuna.lsp_server.evaluate.evaluation import Plan
    from lacuna.lsp_server.evaluate.evaluation import evaluate as run

    try:
        report = (
            pass_at_1(model, benchmark, limit, adapter_at=adapter)
            if benchmark is not None
            else run(model, split, Plan(limit=limit), adapter_at=adapter)
        )
    except (ValueError, OSError, model_store.ModelMissing, WeightsError) as error:
        fail(str(error))
    report.show(Console())


def _documents(repo: Path | None, directory: Path) -> tuple[list[Document], list[Document]]:
    """To train on, and held out."""
    from lacuna.engine.train import documents, repository

    if repo is not None:
        return repository.read_repository(repo)
    if not (directory / "train.jsonl").exists():
        raise ValueError(f"there is no corpus in {directory}: run `lacuna corpus build` first")
    train, validation = (documents.read_corpus(directory / f"{split}.jsonl") for split in ("train", "validation"))
    return list(train), list(validation)


def _may_start(target: Path, start: Path | None) -> None:
    """Raises ValueError where a run that was begun is to begin with another adapter."""
    from lacuna.engine.train import checkpoint

    if start is not None and (target / checkpoint.STATE).exists():
        raise ValueError(f"{target.name} was begun already: leave out --start to go on with it, or give another --name")


def _train(run: Run | EditRun, budget: Budget) -> None:
    from tqdm import tqdm

    start = run.trainer.progress
    left = budget.left(start)
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}") as bar:
        for step in run.steps(budget):
            bar.update(100.0 * (1.0 - left(step.progress)) - bar.n)
            seconds = max(1e-9, step.progress.seconds - start.seconds)
            bar.set_postfix_str(
                f"{step.progress.gaps} {run.unit}, {(step.progress.gaps - start.gaps) / seconds:.1f}/s, "
                f"{step.measure.in_words}"
            )


def _gained(before: Measure, after: Measure) -> str:
    return (
        f"held-out text: next token right {before.read_right:.1%} -> {after.read_right:.1%}, its cross-entropy "
        f"{before.reader:.3f} -> {after.reader:.3f}, whole fill right {before.all_right:.1%} -> {after.all_right:.1%}; "
        f"leftmost noise right {before.first_right:.1%} -> {after.first_right:.1%}"
    )


def _fitted(fit: Fit) -> str:
    found = fit.figures
    assert found is not None, "a confidence model without a threshold is not kept"
    return (
        f"{len(fit.held_out)} fills, each judged by a confidence model that saw nothing of its package: "
        f"{found.precision:.0%} of what is shown is right; something is shown at {found.coverage:.0%} of the places "
        f"where something is missing, nothing at {found.quiet:.0%} of the others"
    )


def _plot(metrics: Path, target: Path) -> None:
    from lacuna.engine.train import plots

    plots.plot(metrics, target)
