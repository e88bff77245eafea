"""Functional correctness: what passes, what does not and why, and that no program gets out of its limits."""

from __future__ import annotations

import gzip
import json
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.api import Features, Infill
from lacuna.engine.evaluate.benchmark import Task, pass_at_1, read_tasks, whole
from lacuna.engine.evaluate.sandbox import Limits, Verdict, run, run_all

TASK = {
    "task_id": "Double/0",
    "entry_point": "double",
    "prompt": "def double(number):\n    return number",
    "suffix": "\n",
    "canonical_solution": " * 2",
    "test": "def check(candidate):\n    assert candidate(4) == 8\n",
}
LIMITS = Limits(seconds=5, megabytes=500)


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("print('fine')", Verdict(True, "")),
        ("assert 1 == 2", Verdict(False, "AssertionError")),
        ("raise ValueError('two\\nlines: of text')", Verdict(False, "ValueError")),
        ("def f(:", Verdict(False, "SyntaxError")),
        ("import sys; sys.exit(0)", Verdict(False, "exit status 0")),
        ("import os; os._exit(0)", Verdict(False, "exit status 0")),
        ("memory = bytearray(10 ** 9)", Verdict(False, "MemoryError")),
        ("import socket", Verdict(False, "ModuleNotFoundError")),
        ("import subprocess", Verdict(False, "ModuleNotFoundError")),
        ("open('large', 'wb').write(bytes(10 ** 7))", Verdict(False, "OSError")),
        ("import os; assert os.listdir('.') and not os.environ.get('HOME')", Verdict(True, "")),
    ],
)
def test_programs_are_judged_by_their_end(program: str, verdict: Verdict) -> None:
    assert run(program, LIMITS) == verdict


@pytest.mark.parametrize("program", ["while True: pass", "import time; time.sleep(60)"])
def test_a_program_that_goes_on_is_ended(program: str) -> None:
    assert run(program, Limits(seconds=1)) == Verdict(False, "timeout")


def test_nothing_that_a_program_started_is_left(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = f"import os, time\nif os.fork() == 0:\n    time.sleep(1.0)\n    open({str(mark)!r}, 'w')\n"
    assert run(program, LIMITS).passed
    time.sleep(1.5)
    assert not mark.exists()


def test_verdicts_come_in_order_whatever_runs_at_once() -> None:
    programs = ["import time; time.sleep(0.5)", "assert False", "pass"]
    assert [verdict.passed for verdict in run_all(programs, LIMITS, at_once=3)] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "ended", "shown"),
    [("a\nb", True, "a\nb"), ("a\nb", False, "a"), ("a\n", False, "a"), ("a", False, "a"), ("", False, "")],
)
def test_a_fill_that_ran_out_of_tokens_is_cut_to_its_lines(text: str, ended: bool, shown: str) -> None:
    assert whole(Infill(text, 0.5, 1, 1, Features(-1.0, -1.0, -1.0, -1.0, 3, ended))) == shown


def test_the_right_answer_passes_and_a_wrong_one_fails() -> None:
    task = Task(**TASK)
    assert run(task.program(task.canonical_solution)).passed
    assert run(task.program(" * 3")) == Verdict(False, "AssertionError")


@pytest.fixture(params=[write_tiny_model, write_tiny_fim_model], ids=["two reads", "fim"])
def model(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    return str(request.param(tmp_path / "tiny"))


@pytest.mark.parametrize("name", ["tasks.jsonl", "tasks.jsonl.gz"])
def test_a_benchmark_is_filled_and_run(tmp_path: Path, model: str, name: str) -> None:
    lines = "".join(json.dumps({**TASK, "task_id": f"Double/{number}"}) + "\n" for number in range(3)).encode()
    benchmark = tmp_path / name
    benchmark.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    report = pass_at_1(model, benchmark, 2, progress=False)
    assert [attempt.task.task_id for attempt in report.attempts] == ["Double/0", "Double/1"]
    for attempt in report.attempts:
        assert attempt.verdict == run(attempt.task.program(attempt.fill))
    written = StringIO()
    report.show(Console(file=written, width=40))
    last = json.loads(written.getvalue().rstrip().rpartition("\n")[2])
    assert (last["tasks"], last["pass_at_1"]) == (2, report.pass_at_1)


def test_a_base_in_the_fim_layout_is_measured_with_an_adapter_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    base = write_tiny_fim_model(tmp_path / "base", adapter=False)
    adapter = write_tiny_fim_model(tmp_path / "adapted")
    benchmark = tmp_path / "tasks.jsonl"
    benchmark.write_text(json.dumps(TASK) + "\n", encoding="utf-8")
    for adapter_at in (None, adapter):
        report = pass_at_1(str(base), benchmark, adapter_at=adapter_at, progress=False)
        assert len(report.attempts) == 1
    assert len(list((tmp_path / "cache" / "evaluations").glob("*.jsonl"))) == 2


def test_a_file_that_is_no_benchmark_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no benchmark"):
        list(read_tasks(tmp_path / "none.jsonl"))
    broken = tmp_path / "broken.jsonl"
    broken.write_text(json.dumps(TASK) + "\n{}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        list(read_tasks(broken))
