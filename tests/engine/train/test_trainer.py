"""A training run on a tiny model: it learns, goes on exactly where it was stopped, and leaves an adapter that loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from embedded import tokenizer
from tiny_model import write_tiny_model

from lacuna.engine import load
from lacuna.engine.api import Gap
from lacuna.engine.device import runtime
from lacuna.engine.layers import weight_files
from lacuna.engine.train import checkpoint, run
from lacuna.engine.train.documents import Document, Documents, read_corpus
from lacuna.engine.train.run import Budget
from lacuna.engine.train.trainer import Step, TrainConfig

TEXT = "def area(width, height):\n    return width * height\n\n\nprint(area(2, 3))\n" * 8
DOCUMENTS = [Document("python", TEXT), Document("python", TEXT.replace("area", "surface"))]
CONFIG = TrainConfig(windows_per_step=1, warmup_steps=3, learning_rate=3e-3)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


def train(model: Path, target: Path, gaps: int, config: TrainConfig = CONFIG) -> Iterator[Step]:
    return run.Run(str(model), DOCUMENTS, target, config, start=model, device="cpu", threads=1).steps(Budget(gaps=gaps))


def test_it_learns(model: Path, tmp_path: Path) -> None:
    steps = list(train(model, tmp_path / "run", 1200))
    early, late = steps[: len(steps) // 5], steps[-len(steps) // 5 :]
    assert _mean(late) < 0.9 * _mean(early)
    assert steps[-1].progress.gaps >= 1200


def test_a_run_goes_on_exactly_where_it_was_stopped(model: Path, tmp_path: Path) -> None:
    whole = list(train(model, tmp_path / "whole", 200))
    first = list(train(model, tmp_path / "parts", whole[len(whole) // 2].progress.gaps, CONFIG))
    rest = list(train(model, tmp_path / "parts", 200 - first[-1].progress.gaps, _warm(CONFIG)))
    assert [step.progress.gaps for step in (*first, *rest)] == [step.progress.gaps for step in whole]
    a, b = (dict(weight_files.stream(tmp_path / name / checkpoint.STATE)) for name in ("whole", "parts"))
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_gaps_of_the_adapter_that_was_begun_with_are_counted_once(model: Path, tmp_path: Path) -> None:
    begun, target = tmp_path / "begun", tmp_path / "run"
    list(train(model, begun, 100))
    for start in (begun, model):  # the second goes on, whatever adapter is named
        anew = run.Run(str(model), DOCUMENTS, target, CONFIG, start=start, device="cpu", threads=1)
        steps = list(anew.steps(Budget(gaps=60)))
    assert _trained_gaps(target) == _trained_gaps(begun) + steps[-1].progress.gaps


def test_who_goes_on_from_an_adapter_reads_other_windows(model: Path, tmp_path: Path) -> None:
    """The same ones again are soon known by heart."""
    first = list(train(model, tmp_path / "begun", 100))
    anew = run.Run(str(model), DOCUMENTS, tmp_path / "run", CONFIG, start=tmp_path / "begun", device="cpu", threads=1)
    second = list(anew.steps(Budget(gaps=100)))
    assert [step.progress.tokens for step in first][:3] != [step.progress.tokens for step in second][:3]


def test_the_rate_rises_stays_and_in_a_decay_branch_falls(model: Path, tmp_path: Path) -> None:
    rates = [step.rate for step in train(model, tmp_path / "constant", 200)]
    assert rates[:3] == pytest.approx([1e-3, 2e-3, 3e-3]) and set(rates[3:]) == {3e-3}
    falling = [
        step.rate
        for step in train(model, tmp_path / "decay", 400, TrainConfig(windows_per_step=1, warmup_steps=3, decay=True))
    ]
    assert falling[-1] < 0.25 * max(falling)


def test_the_adapter_loads_and_fills(model: Path, tmp_path: Path) -> None:
    list(train(model, tmp_path / "run", 200))
    for name in (checkpoint.ADAPTER_CONFIG, "adapter_model.safetensors"):
        (tmp_path / "run" / name).replace(model / name)
    loaded = load.load(str(model), runtime.choose(device="cpu", dtype="float32"))
    assert loaded.infill(Gap("def area(width, ", "):\n    return width\n", max_tokens=20))


def test_metrics_are_kept_line_by_line(model: Path, tmp_path: Path) -> None:
    steps = list(train(model, tmp_path / "run", 150))
    rows = [json.loads(line) for line in (tmp_path / "run" / run.METRICS).read_text().splitlines()]
    assert [row["gaps"] for row in rows] == [step.progress.gaps for step in steps]


def test_a_damaged_checkpoint_is_named(model: Path, tmp_path: Path) -> None:
    list(train(model, tmp_path / "run", 100))
    state = tmp_path / "run" / checkpoint.STATE
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(weight_files.WeightsError, match=checkpoint.STATE):
        list(train(model, tmp_path / "run", 100))


def test_an_empty_corpus_is_said(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to train on"):
        run.Run(str(model), [], tmp_path / "run", CONFIG, start=model, device="cpu")


def test_python_gets_its_share_and_windows_are_numbered(tmp_path: Path) -> None:
    rows = [{"language": "python", "text": "x = 1\n" * 9}, {"language": "go", "text": "var gopher = 1\n" * 90}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    documents = Documents(read_corpus(tmp_path / "train.jsonl"), seed=1)
    windows = [documents.window(number, tokenizer()) for number in range(200)]
    python = sum(b"gopher" not in tokenizer().decode(window.ids) for window in windows)
    assert 0.5 < python / len(windows) < 0.7
    assert documents.window(7, tokenizer()) == windows[7]


def test_prefixes_have_0_to_1024_tokens() -> None:
    text = "".join(f"total_{number} = add(total_{number - 1}, {number})\n" for number in range(1, 900))
    documents = Documents([Document("python", text)], seed=0)
    lefts = [gap.left for number in range(60) for gap in documents.window(number, tokenizer()).gaps]
    assert max(lefts) <= 1024 and {left // 128 for left in lefts} >= set(range(8))


def _trained_gaps(adapter: Path) -> int:
    return int(json.loads((adapter / checkpoint.ADAPTER_CONFIG).read_text())["gap"]["trained_gaps"])


def _warm(config: TrainConfig) -> TrainConfig:
    return TrainConfig(windows_per_step=1, warmup_steps=1, learning_rate=config.learning_rate)


def _mean(steps: list[Step]) -> float:
    return sum(step.measure.reader for step in steps) / len(steps)
