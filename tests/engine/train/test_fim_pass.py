"""The FIM layout's training pass is the engine's own pass, row by row; and a run learns in that layout."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from tiny_model import write_tiny_fim_model
from torch.nn import functional

from lacuna.engine import load
from lacuna.engine.api import Gap
from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree
from lacuna.engine.families.gap.denoiser import end_at_markers
from lacuna.engine.families.gap.fim import templates
from lacuna.engine.train import fim_batch, frozen, gaps, run
from lacuna.engine.train.documents import Document
from lacuna.engine.train.fim_batch import BEFORE, STRETCH, FimBatch
from lacuna.engine.train.fim_pass import FimPass
from lacuna.engine.train.lora import Lora
from lacuna.engine.train.run import Budget
from lacuna.engine.train.trainer import TrainConfig

RUNTIME = runtime.choose(device="cpu", dtype="float32", threads=1)
TEXT = (
    "def area(width, height):\n    return width * height\n\n\nprint(area(2, 3))\nfor x in (1, 2):\n    print(x)\n" * 4
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_fim_model(tmp_path / "model")


def drawn(base: frozen.Frozen, seed: int) -> FimBatch:
    window = gaps.cut(TEXT, 0, "python", 160, 6, base.tokenizer, random.Random(seed), gaps.FIM_CUTTING)
    found = fim_batch.batch(window, templates.markers(base.tokenizer.marker), base.tokenizer, random.Random(seed))
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(4))
@torch.no_grad()
def test_the_trained_pass_is_the_one_that_is_used(model: Path, seed: int) -> None:
    base = frozen.load(str(model), RUNTIME, reads=False)
    adapter = lora.load(model, base.decoder.config, str(model))
    factors = Lora(base.layers, adapter.config["r"], adapter.config["lora_alpha"], adapter, {lora.MASK: base.noise})
    factors.merge()
    batch, used = drawn(base, seed), loading.load(str(model), RUNTIME).denoiser
    rows = functional.linear(FimPass(base, factors)(batch.rows), base.head).log_softmax(-1)
    markers, start = used.config.markers, 0
    assert markers is not None
    end_at_markers(rows, markers)
    for part in batch.rows.runs:
        context = used.context()
        context.prefill_prefix([*batch.rows.prefix[: 1 + part.split].tolist(), *part.ids[: part.hole]], lambda: None)
        hole = part.ids[part.hole :]
        behind = {hole[: at + 1 - part.hole]: STRETCH for at in part.behind}
        verified = used.denoise(context, CanvasTree([hole], behind))
        for count in range(len(hole) + 1):
            expected = verified.log_probs[hole[:count]]
            torch.testing.assert_close(rows[start + part.hole - 1 + count], expected, atol=1e-4, rtol=0)
        for rank, node in enumerate(behind):
            at = start + len(part.ids) + rank * STRETCH
            torch.testing.assert_close(rows[at : at + STRETCH], verified.proposals[node], atol=1e-4, rtol=0)
        start += part.rows


@pytest.mark.parametrize("learns", [True, False])
def test_gradients_go_through_the_prefix_where_it_is_learned(model: Path, learns: bool) -> None:
    """They are those of the same tokens in one run, behind a prefix of one token."""
    base = frozen.load(str(model), RUNTIME, reads=False)
    ids = base.tokenizer.encode(TEXT)[:40]
    found = []
    for prefix in (30, 1):
        factors = Lora(base.layers, 4, 8, lora.load(model, base.decoder.config, str(model)), {lora.MASK: base.noise})
        factors.merge()
        part = fim_batch.Run(prefix - 1, tuple(ids[prefix:]), 0, 0, ())
        rows = fim_batch.Rows(
            prefix=torch.tensor(ids[:prefix]),
            runs=(part,),
            ids=torch.tensor(part.ids),
            masked=torch.zeros(part.rows, dtype=torch.bool),
            positions=torch.arange(prefix, len(ids)),
        )
        states = FimPass(base, factors, learns_prefix=learns)(rows)[-5:]
        functional.linear(states, base.head).logsumexp(-1).sum().backward()
        found.append([value.grad for _, value in factors.parameters() if value.grad is not None])
    same = [torch.allclose(one, other, atol=1e-4) for one, other in zip(*found, strict=True)]
    assert all(same) if learns else not all(same)


def test_every_token_of_a_hole_and_its_end_are_learned_once_and_some_before_it(model: Path) -> None:
    base = frozen.load(str(model), RUNTIME, reads=False)
    markers = templates.markers(base.tokenizer.marker)
    learned = stand = 0
    for seed in range(8):
        batch = drawn(base, seed)
        for number, part in enumerate(batch.rows.runs):
            mine = batch.targets.canvases == number
            holes = batch.targets.tokens[mine & batch.targets.read].tolist()
            assert holes == [*part.ids[part.hole :], markers.ends[0]]
            first = sum(before.rows for before in batch.rows.runs[:number])
            for row, token in zip(batch.targets.rows[mine].tolist(), batch.targets.tokens[mine].tolist(), strict=True):
                if first + part.start - 1 <= row < first + part.hole - 1:
                    assert token == part.ids[row - first + 1]
                    learned += 1
            stand += part.hole - part.start
    assert 0.5 * BEFORE < learned / stand < 1.5 * BEFORE


def test_a_run_of_a_base_without_an_adapter_learns_and_leaves_one_that_loads(tmp_path: Path) -> None:
    model = write_tiny_fim_model(tmp_path / "model", adapter=False)
    config = TrainConfig(windows_per_step=1, warmup_steps=3, learning_rate=3e-3)
    documents = [Document("python", TEXT), Document("python", TEXT.replace("area", "surface"))]
    begun = run.Run(str(model), documents, tmp_path / "run", config, device="cpu", threads=1, rank=4)
    steps = list(begun.steps(Budget(gaps=1500)))
    early, late = steps[: len(steps) // 5], steps[-len(steps) // 5 :]
    assert sum(step.measure.reader for step in late) / len(late) < 0.9 * sum(s.measure.reader for s in early) / len(
        early
    )
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / "run" / name).replace(model / name)
    loaded = load.load(str(model), runtime.choose(device="cpu", dtype="float32"))
    assert loaded.infill(Gap("def area(width, ", "):\n    return width\n", max_tokens=20))
