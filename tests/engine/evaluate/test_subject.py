"""The name of what is evaluated: another one for other code that answers, the same for code that was moved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.evaluate import subject

FILES = (
    "api.py",
    "families/gap/session.py",
    "models/decoder.py",
    "layers/rope.py",
    "train/run.py",
    "evaluate/report.py",
    "evaluate/fills.py",
)


def named(root: Path) -> str:
    return subject.code(subject.deciding(root))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_any_module_that_answers_counts(root: Path, name: str) -> None:
    before = named(root)
    (root / name).write_text("changed = True\n", encoding="utf-8")
    assert (named(root) == before) == (name in ("train/run.py", "evaluate/report.py"))


def test_a_new_module_counts_and_a_moved_one_does_not(root: Path) -> None:
    before = named(root)
    (root / "kernels").mkdir()
    (root / "layers/rope.py").rename(root / "kernels/rope.py")
    assert named(root) == before
    (root / "kernels/matmul.py").write_text("fast = True\n", encoding="utf-8")
    assert named(root) != before


def test_another_adapter_is_another_subject_and_another_confidence_model_is_not(tmp_path: Path) -> None:
    tiny, other = write_tiny_model(tmp_path / "tiny"), write_tiny_model(tmp_path / "other")
    name = subject.load(str(tiny), dtype="float32").name
    assert subject.load(str(tiny), other, dtype="float32").name == name  # the same bytes elsewhere
    config = json.loads((other / "adapter_config.json").read_text())
    config["gap"]["gate"] = {"bias": 1.0, "weights": {"mean": 0.1}}
    (other / "adapter_config.json").write_text(json.dumps(config))
    assert subject.load(str(tiny), other, dtype="float32").name == name
    weights = bytearray((other / "adapter_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "adapter_model.safetensors").write_bytes(bytes(weights))
    assert subject.load(str(tiny), other, dtype="float32").name != name


def test_a_base_has_another_name_with_an_adapter_than_without_and_in_another_format(tmp_path: Path) -> None:
    adapted = write_tiny_fim_model(tmp_path / "adapted")
    base = write_tiny_fim_model(tmp_path / "base", adapter=False)
    names = [
        subject.load(str(base), dtype="float32").name,
        subject.load(str(base), adapted, dtype="float32").name,
        subject.load(str(base), dtype="bfloat16").name,
    ]
    assert len(set(names)) == 3


def test_what_decides_outside_the_engine_is_in_the_name(tmp_path: Path) -> None:
    tiny, module = write_tiny_model(tmp_path / "tiny"), tmp_path / "question.py"
    names = []
    for text in ("", "asked = True\n"):
        module.write_text(text, encoding="utf-8")
        names.append(subject.load(str(tiny), besides=[module]).name)
    assert len({*names, subject.load(str(tiny)).name}) == 3
