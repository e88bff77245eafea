"""An evaluation goes the product's way: what it counts as shown is what the server answers at that cursor."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.evaluate import subject
from lacuna.engine.evaluate.answers import AnswerFile
from lacuna.engine.evaluate.fills import Fills
from lacuna.engine.evaluate.gaps import EvaluationGap, GapKind, cut_gaps
from lacuna.engine.evaluate.outcome import Shown
from lacuna.engine.evaluate.source_files import SourceFile
from lacuna.lsp_server.completion.suggester import Suggester
from lacuna.lsp_server.config import Config
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.evaluate.product import NOT_ASKED, SERVER, Product, Settings, deciding, snapshot_at
from lacuna.lsp_server.infill import selection
from lacuna.lsp_server.infill.question import Trigger
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.setup import Setup
from lacuna.lsp_server.telemetry.statistics import Record

ROOT = Path(__file__).parents[3]
SOURCE = SourceFile("lacuna", "a b/load.py", "python", (ROOT / "engine" / "load.py").read_text(encoding="utf-8"))
WINDOWS = SourceFile("windows", "a.js", "javascript", "// 😀 smile\r\nfunction f(a) {\r\n  return g('😀', a);\r\n}\r\n")
# Takes almost any fill.
PROSE = SourceFile(
    "notes",
    "notes.md",
    "markdown",
    "".join(f"{word} words, that mean something ({word}) to people.\n" for word in ("Some", "Other", "No", "All")),
)
LAYOUTS = pytest.mark.parametrize(
    "model",
    [write_tiny_model, write_tiny_fim_model, lambda at: write_tiny_fim_model(at, adapter=False)],
    ids=["two reads", "fim", "fim without an adapter"],
    indirect=True,
)


Answers = tuple[tuple[Shown, ...] | str, tuple[Shown, ...] | str]


@pytest.fixture
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    written: Path = request.param(tmp_path / "tiny")
    return written


@contextmanager
def product(model: Path, answers: Path, settings: Settings) -> Iterator[Product]:
    with AnswerFile(answers) as known:
        yield Product(Fills(subject.load(str(model), dtype="float32"), known), settings)


def gap(text: str, kind: GapKind = GapKind.REST_OF_LINE, language: str = "python") -> EvaluationGap:
    """Cut between two marks: `a = <1>` misses 1."""
    before, _, rest = text.partition("<")
    truth, _, after = rest.partition(">")
    file = SourceFile("package", "file", language, before + truth + after)
    return EvaluationGap(file, kind, len(before), len(before) + len(truth))


MARKED = [
    gap("def add(first, second):\n    return first + <second>\n"),
    gap("print(<value>)\n", GapKind.ARGUMENTS),
    gap("for x in y:\n    <pass>\n", GapKind.STATEMENT),
    gap("let a = 1;<>\n", GapKind.EMPTY, "javascript"),
]


def imported(path: Path, found: set[Path]) -> set[Path]:
    """The server's modules that a module needs, itself among them, relative to the server."""
    found.add(path.relative_to(SERVER))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lacuna.lsp_server."):
            other = SERVER.joinpath(*(node.module or "").split(".")[2:]).with_suffix(".py")
            if other.exists() and other.relative_to(SERVER) not in found:
                imported(other, found)
    return found


def cut_everywhere(file: SourceFile) -> list[EvaluationGap]:
    places = range(0, len(file.text) - 3, 5)
    # No editor puts its cursor between the two signs of a line end.
    return [EvaluationGap(file, GapKind.SPAN, at, at + 3) for at in places if file.text[at - 1 : at] != "\r"]


@pytest.mark.parametrize("found", [*cut_gaps([SOURCE], 100), *cut_everywhere(WINDOWS)])
def test_the_document_has_its_cursor_at_the_gap(found: EvaluationGap) -> None:
    snapshot = snapshot_at(found)
    assert snapshot.prefix(10**6) + found.truth + snapshot.suffix(10**6) == found.file.text
    assert (snapshot.offset, snapshot.language) == (found.left, found.file.language)
    assert snapshot.tree is not None and snapshot.tree_is_fresh


async def of_the_server(model: Path, config: Config, gaps: list[EvaluationGap]) -> list[Answers]:
    """What the server's suggester says at each gap, unasked and asked."""
    models = Models()
    worker = models.lease(config.model_choice)
    try:
        await worker.ready()
        setup = Setup.of(config, worker)
        return [(await said(setup, one, Trigger.AUTOMATIC), await said(setup, one, Trigger.INVOKED)) for one in gaps]
    finally:
        models.close()


async def said(setup: Setup, at: EvaluationGap, trigger: Trigger) -> tuple[Shown, ...] | str:
    """By a new suggester: its first automatic request has one candidate, however fast the machine is."""
    found = await Suggester(DocumentStore(), setup).suggest(snapshot_at(at), trigger, Record(trigger.value))
    return tuple(Shown(one.text, one.replaced) for one in found) if isinstance(found, tuple) else found.value


@LAYOUTS
@pytest.mark.parametrize("confidence", [0.0, 0.4])
async def test_what_is_shown_is_what_the_server_answers(model: Path, tmp_path: Path, confidence: float) -> None:
    config = Config(model=str(model), dtype="float32", confidence=confidence, max_lines=4)
    gaps = [*cut_gaps([SOURCE], 100)[:30], *MARKED]
    with product(model, tmp_path / "answers.jsonl", Settings(config, automatic_candidates=1)) as asked:
        outcomes = [asked.outcome(one) for one in gaps]
    found = [(one.unasked.shown or one.unasked.reason, one.asked.shown or one.asked.reason) for one in outcomes]
    assert found == await of_the_server(model, config, gaps)
    assert any(one.asked.shown for one in outcomes) and any(one.unasked.reason for one in outcomes)


@pytest.mark.parametrize("model", [write_tiny_model], indirect=True)
def test_where_the_server_asks_nothing_the_model_is_not_asked(model: Path, tmp_path: Path) -> None:
    finished = gap("let a = 1;<>\n", GapKind.EMPTY, "javascript")
    with product(model, tmp_path / "answers.jsonl", Settings()) as asked:
        found = asked.outcome(finished)
    assert (found.unasked.shown, found.unasked.reason) == ((), Reason.STATEMENT_FINISHED.value)
    assert (found.unasked.forwards, found.judged) == (0, None)
    assert found.asked.forwards > 0, "who asks is answered"


@pytest.mark.parametrize("model", [write_tiny_fim_model], indirect=True)
def test_who_wants_to_know_what_comes_unasked_asks_half_as_much(model: Path, tmp_path: Path) -> None:
    found = []
    for asks in (True, False):
        with product(model, tmp_path / f"{asks}.jsonl", Settings(asks=asks)) as asked:
            found.append([asked.outcome(one) for one in MARKED])
    both, unasked = found
    assert [(one.unasked, one.judged) for one in both] == [(one.unasked, one.judged) for one in unasked]
    assert {one.asked for one in unasked} == {NOT_ASKED}
    lines = [len((tmp_path / f"{asks}.jsonl").read_text().splitlines()) for asks in (True, False)]
    assert lines[1] < lines[0]


@pytest.mark.parametrize("model", [write_tiny_fim_model], indirect=True)
def test_the_confidence_model_learns_from_what_would_be_shown_if_all_were_sure(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "CRUMB", 0)  # this model writes few characters
    ends = [(at, PROSE.text.index("\n", at)) for at, sign in enumerate(PROSE.text, 1) if sign in " (,"]
    gaps = [*(EvaluationGap(PROSE, GapKind.REST_OF_LINE, *place) for place in ends), *MARKED]
    answers = tmp_path / "answers.jsonl"
    with product(model, answers, Settings(Config(confidence=0.4))) as asked:
        outcomes = [asked.outcome(one) for one in gaps]
    written = answers.read_bytes()
    # Nothing is less sure than 0: what is then shown whole is what was judged.
    with product(model, answers, Settings(Config(confidence=0.0))) as asked:
        everything = [asked.outcome(one) for one in gaps]
    assert answers.read_bytes() == written, "a threshold is no reason to ask again"
    judged = [one.judged for one in outcomes]
    assert judged == [one.judged for one in everything]
    pairs = [(one.whole, all.unasked.shown) for one, all in zip(judged, everything, strict=True) if one is not None]
    assert any(shown == (whole,) for whole, shown in pairs)
    assert all(shown for whole, shown in pairs if whole is not None)


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("infill/scope.py", True),
        ("documents/text.py", True),
        ("lexing/brackets.py", True),
        ("completion/suggester.py", True),
        ("evaluate/product.py", True),
        ("config.py", True),
        ("infill/a_new_rule.py", True),
        ("evaluate/evaluation.py", False),
        ("telemetry/statistics.py", False),
        ("cli/main.py", False),
    ],
)
def test_the_name_of_answers_changes_with_the_modules_that_decide_them(
    tmp_path: Path, name: str, decides: bool
) -> None:
    root = tmp_path / "lsp_server"
    shutil.copytree(ROOT / "lsp_server", root, ignore=shutil.ignore_patterns("__pycache__"))
    before = subject.code(deciding(root))
    assert before == subject.code(deciding())
    with (root / name).open("a", encoding="utf-8") as module:
        module.write("# touched\n")
    assert (subject.code(deciding(root)) != before) == decides


def test_a_module_that_was_moved_is_the_same(tmp_path: Path) -> None:
    root = tmp_path / "lsp_server"
    shutil.copytree(ROOT / "lsp_server", root, ignore=shutil.ignore_patterns("__pycache__"))
    before = subject.code(deciding(root))
    (root / "infill" / "scope.py").rename(root / "lexing" / "scope.py")
    assert subject.code(deciding(root)) == before


def test_all_that_is_imported_on_the_way_is_in_the_name() -> None:
    """But for what carries a request and counts it."""
    known = {path.relative_to(SERVER) for path in deciding()}
    found = imported(SERVER / "evaluate" / "product.py", set())
    apart = {path.parts[0] for path in found - known}
    assert apart <= {"model", "telemetry", "log.py", "setup.py", "__init__.py"}
