"""The name of what is evaluated: another one for other code that answers, the same for code that was moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from lacuna.engine.evaluate import subject

FILES = (
    "api.py",
    "families/gap/session.py",
    "models/decoder.py",
    "layers/rope.py",
    "train/run.py",
    "evaluate/report.py",
)
ASKING = ("evaluate/base_alone.py", "evaluate/end_of_hole.py", "evaluate/methods.py", "evaluate/reader.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES + ASKING:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", FILES + ASKING)
def test_any_module_that_answers_counts(root: Path, name: str) -> None:
    before = subject.code(root)
    (root / name).write_text("changed = True\n", encoding="utf-8")
    assert (subject.code(root) == before) == (name in ("train/run.py", "evaluate/report.py"))


def test_a_new_module_counts_and_a_moved_one_does_not(root: Path) -> None:
    before = subject.code(root)
    (root / "kernels").mkdir()
    (root / "layers/rope.py").rename(root / "kernels/rope.py")
    assert subject.code(root) == before
    (root / "kernels/matmul.py").write_text("fast = True\n", encoding="utf-8")
    assert subject.code(root) != before


def test_the_engine_itself_has_such_a_name() -> None:
    assert subject.code() == subject.code()
