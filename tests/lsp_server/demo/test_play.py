"""The demo: its scenes fit its sample, its typist takes what it wants and nothing else, and the real run works."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from command import lacuna
from rich.console import Console

from lacuna.engine.store import model_store
from lacuna.lsp_server.demo.headless_editor import Answer, Offer, OpenText
from lacuna.lsp_server.demo.play import SAMPLE, SCENES, Scene, _fitting, _keys, _next_burst
from lacuna.lsp_server.demo.screen import Screen
from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.telemetry.statistics import Outcome


def document_at(marked: str) -> OpenText:
    return OpenText("untitled:a", Text(marked.replace("|", "")), marked.index("|"))


def offer_at(document: OpenText, text: str, replaced: int = 0, before: int = 0) -> Offer:
    return Offer(text, document.cursor - before, document.cursor + replaced, None)


@pytest.mark.parametrize("scene", SCENES)
def test_scenes_are_in_the_sample(scene: Scene) -> None:
    text = (SAMPLE / scene.file).read_text(encoding="utf-8")
    assert text.count("\n".join(scene.lines)) == 1


@pytest.mark.parametrize("file", sorted(SAMPLE.glob("*.py")), ids=lambda file: file.name)
def test_the_sample_is_whole(file: Path) -> None:
    compile(file.read_text(encoding="utf-8"), file.name, "exec")


@pytest.mark.parametrize("scene", SCENES)
def test_bursts_and_keys_spell_the_scene(scene: Scene) -> None:
    wanted = rest = "\n".join(scene.lines)
    typed = []
    while rest:
        burst = _next_burst(rest)
        typed += _keys(burst)
        rest = rest[len(burst) :]
    assert "".join(typed) == wanted
    assert typed[0] == " " * (len(wanted) - len(wanted.lstrip()))


@pytest.mark.parametrize(
    ("marked", "offer", "replaced", "before", "wanted", "size"),
    [
        ("return |\n", "x + 1", 0, 0, "x + 1\n", 5),
        ("return |\n", "x", 0, 0, "x + 1\n", 1),
        ("return |\n", "y", 0, 0, "x + 1\n", 0),
        ("return |\n", "x + 1\n    y", 0, 0, "x + 1\n", 0),
        ("return |\n", "", 0, 0, "x + 1\n", 0),
        ("return |\n", "return x", 0, 7, "x + 1\n", 1),
        ("return f(|)\n", "x)", 1, 0, "x", 1),
        ("return f(|)\n", "x) + 1", 1, 0, "x", 0),
    ],
)
def test_only_what_is_wanted_is_taken(
    marked: str, offer: str, replaced: int, before: int, wanted: str, size: int
) -> None:
    document = document_at(marked)
    assert _fitting(document, offer_at(document, offer, replaced, before), wanted) == size


def check_screen(marked: str, offer: str, drawn: str, *, replaced: int = 0, before: int = 0) -> None:
    """What stands on a terminal once a suggestion has come: the line of the pause, the file's name, and the file."""
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None, legacy_windows=False)
    screen, document = Screen(console, live=True), document_at(marked)
    found = offer_at(document, offer, replaced, before)
    with screen.showing("a.py"):
        screen.answered(document, Answer((found,), Outcome.SHOWN, 12.0), accepted=False)
        output = console.file.getvalue()
    assert re.sub(r"\x1b\[[\d?;]*\w|\r", "", output).partition("a.py\n")[2].rstrip() == drawn


def test_ghost_text_stands_at_the_cursor() -> None:
    check_screen("a = 1\nb = |\nc = 3\n", "2", "a = 1\nb = 2\nc = 3")
    check_screen("f(|)\n", "a, b)", "f(a, b)", replaced=1)
    check_screen("x = y|\n", "x = y + 1\n", "x = y + 1", before=5)
    check_screen("\n" * 20 + "last = |", "1", "\n" * 6 + "last = 1")


def test_no_suggestion_has_its_reason() -> None:
    console = Console(file=io.StringIO(), width=60)
    screen = Screen(console, live=False)
    with screen.showing("a.py"):
        screen.answered(document_at("a = |"), Answer((), Reason.LOOPS, 12.3), accepted=False)
    assert console.file.getvalue() == "a.py:1:5               12 ms  a = ▏  no suggestion (the fill repeats itself)\n"


@pytest.mark.usefixtures("embedded_model")
@pytest.mark.weights
def test_the_real_run() -> None:
    done = lacuna("demo", "--plain", "--model", model_store.EMBEDDED)
    assert (done.returncode, done.stderr) == (0, "")
    pauses = re.findall(
        r"^(\w+\.py):\d+:\d+ +\d+ ms  .*(accepted|typed on|no suggestion \([^)]+\))$", done.stdout, re.M
    )
    assert "accepted" in {verdict for _, verdict in pauses}
    for label in ("keys typed", "characters accepted", "key to answer", "start to model ready"):
        assert f"\n{label}  " in done.stdout


def test_a_server_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    done = lacuna("demo", "--plain", "--model", str(tmp_path))
    assert done.returncode == 1
    assert "cannot be loaded" in done.stderr
    assert "lacuna doctor" in done.stderr
    assert "Traceback" not in done.stderr
