"""The command as people run it: places, errors, exit codes, and what it must not wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import COMMAND, lacuna
from hypothesis import given
from hypothesis import strategies as st

from lacuna.engine.api import Frame, Gap
from lacuna.engine.store import model_store
from lacuna.lsp_server.cli.location import Location, LocationError
from lacuna.lsp_server.cli.watch import Drawing
from lacuna.lsp_server.documents.text import Place, Text

SOURCE = """import json


def load_config(path):
    with open(path) as f:
        ret


def main():
    print(load_config("config.json"))
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "config.py"
    file.write_bytes(SOURCE.replace("\n", "\r\n").encode())
    return file


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), (["--version"], 0), (["infill", "--help"], 0), (["serve"], 1)]
)
def test_no_torch_before_it_is_wanted(arguments: list[str], code: int) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "lacuna.lsp_server", *arguments]
    # An editor that leaves before it has said anything: `serve` ends at once, and says that it was not told goodbye.
    done = subprocess.run(command, input=b"", capture_output=True, timeout=60)
    imported = {line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == code
    assert b"lacuna.lsp_server" in imported or b"typer" in imported, "the list of imports is there"
    assert b"torch" not in imported


@pytest.mark.parametrize(
    ("argument", "path", "line", "column"),
    [
        ("a.py:3:4", "a.py", 3, 4),
        ("C:\\x.py:3:4", "C:\\x.py", 3, 4),
        ("a:1:2:3:4", "a:1:2", 3, 4),
        ("a b:01:1", "a b", 1, 1),
    ],
)
def test_location(argument: str, path: str, line: int, column: int) -> None:
    assert Location.parse(argument) == Location(Path(path), line, column)


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "a.py",
        "a.py:3",
        ":3:4",
        "a.py:3:",
        "a.py:x:4",
        "a.py:-1:4",
        "a.py:0:1",
        "a.py:1:0",
        "a.py:1:²",
        "a:9999999999:1",
    ],
)
def test_malformed_location(argument: str) -> None:
    with pytest.raises(LocationError, match=r"no location"):
        Location.parse(argument)


@given(st.text(st.sampled_from("ab😀\f\u2028\r\n"), max_size=12), st.integers(1, 8), st.integers(1, 8))
def test_a_place_is_in_the_text_or_refused(content: str, line: int, column: int) -> None:
    text = Text(content)
    try:
        place = Location(Path("a"), line, column).place(text)
    except LocationError:
        assert line > text.line_count or column > len(text.line(line - 1)) + 1
    else:
        assert place == Place(line - 1, column - 1)
        assert text.place_at(text.offset(place)) == place


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = 1\nb = '\xe9'\n", r"not UTF-8: byte 0xe9 at offset 11, in line 2"),
        (b"a = 1\n\0\n", r"no text file: it holds a null byte, in line 2"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(content)
    with pytest.raises(LocationError, match=message):
        Location(file, 1, 1).text()


def test_a_byte_order_mark_is_no_column(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_bytes("\ufeffa = 1\n".encode())
    assert str(Location(file, 1, 1).text()) == "a = 1\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["infill"], 2, "FILE:LINE:COL"),
        (["infill", "a.py:1:1", "--jsonl"], 2, "either"),
        (["infill", "--jsonl", "--watch"], 2, "either"),
        (["infill", "a.py"], 2, "a.py"),
        (["infill", "a.py:1:1", "--num-candidates", "0"], 2, "candidates"),
        (["infill", "missing.py:1:1", "--drafts", "2"], 1, "--drafts is called --num-candidates now"),
        (["infill", "missing.py:1:1"], 1, "missing.py: No such file"),
        (["infill", "SOURCE:99:1"], 1, "there is no line 99"),
        (["infill", "SOURCE:1:13"], 1, "columns 1 to 12"),
        (["infill", "SOURCE:1:1", "--device", "tpu"], 1, "device 'tpu'"),
        (["infill", "SOURCE:1:1", "--model", "no/model"], 1, "run `lacuna pull no/model`"),
        (["pull", "not a model"], 1, "no model name"),
        (["frobnicate"], 2, "frobnicate"),
        (["serve", "--tcp", "7777"], 2, "HOST:PORT"),
        (["serve", "--tcp", "256.0.0.1:7777"], 1, "cannot listen on 256.0.0.1:7777"),
    ],
)
def test_mistakes_are_told_and_no_tracebacks(source: Path, arguments: list[str], code: int, message: str) -> None:
    done = lacuna(*(argument.replace("SOURCE", str(source)) for argument in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("embedded_model")
@pytest.mark.weights
def test_watch_draws_each_step_and_ends_with_the_fill(source: Path) -> None:
    done = lacuna("infill", f"{source}:6:12", "--watch", "--model", model_store.EMBEDDED)
    assert done.returncode == 0
    steps = [line for line in done.stdout.splitlines() if line.startswith("step")]
    fill = "\n".join(done.stdout.splitlines()[len(steps) :])
    assert [step.split()[:2] for step in steps] == [["step", str(number)] for number in range(1, len(steps) + 1)]
    assert "░" in steps[0]
    assert f"        ret{fill}".rstrip("\n").replace("\n", "⏎") in steps[-1]
    assert f"{len(steps)} steps" in done.stderr


@pytest.mark.usefixtures("embedded_model")
@pytest.mark.weights
def test_a_closed_pipe_is_no_error(source: Path) -> None:
    command = [*COMMAND, "infill", f"{source}:6:12", "--watch"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.wait(60)


def check_rows(prefix: str, suffix: str, frames: list[Frame], rows: list[str]) -> None:
    drawing = Drawing(Gap(prefix, suffix))
    assert [drawing.row(frame).plain.split(" ms  ")[1] for frame in frames] == rows


def test_noise_is_drawn_as_blocks() -> None:
    first = Frame(1, (("urn", True), (None, False), (None, False)))
    second = Frame(2, (("urn", False), (" x", True), ("\n", True)))
    check_rows("def f(x):\n    ret", " # end\nnext", [first, second], ["    return░░ # end", "    return x⏎ # end"])


def test_canvas_after_canvas() -> None:
    frames = [
        Frame(1, (("a", True), ("b", True))),
        Frame(1, (("c", True), (None, False))),
        Frame(2, (("c", False), ("d", True))),
    ]
    check_rows("x = ", "", frames, ["x = ab", "x = abc░", "x = abcd"])


@pytest.mark.weights
def test_pull_prints_where_the_model_is(embedded_model: Path) -> None:
    done = lacuna("pull", model_store.EMBEDDED)
    assert (done.returncode, done.stdout) == (0, f"{embedded_model}\n")
