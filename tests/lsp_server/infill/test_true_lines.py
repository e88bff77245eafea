"""What people wrote is seldom refused: lines of this repository's own files, taken out and suggested again."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

from lacuna.engine.text.languages import language_of
from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.store import Document, Snapshot
from lacuna.lsp_server.documents.text import Position
from lacuna.lsp_server.infill.postprocess import postprocess
from lacuna.lsp_server.infill.question import Question, Trigger, build_question
from lacuna.lsp_server.infill.suggestion import Rejected

ROOT = Path(__file__).parents[3]
FOLDERS = ("engine", "lsp_server", "editors", "bench")
ENDINGS = {".py", ".ts", ".lua", ".json", ".md", ".toml", ".html", ".css", ".js", ".yml", ".yaml", ".mjs"}
PLACES = 150
MOST_REFUSED = 0.02


def test_lines_that_people_wrote_are_seldom_refused() -> None:
    chance = random.Random(17)
    files = [path for path in _files() if path.stat().st_size < 30_000 and _written(path)]
    refused: Counter[str] = Counter()
    for _ in range(PLACES):
        path = chance.choice(files)
        snapshot, line = _held_out(path, chance)
        question = build_question(snapshot, Trigger.INVOKED, Exclusion())
        if isinstance(question, Question) and line.strip():
            result = postprocess(question, snapshot, line)
            if isinstance(result, Rejected):
                refused[f"{result.reason.name}: {path.name}: {line}"] += 1
    assert refused.total() <= MOST_REFUSED * PLACES, refused


def _files() -> list[Path]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in ENDINGS]
    return [path for path in paths if "node_modules" not in path.parts and "out" not in path.parts]


def _written(path: Path) -> list[int]:
    """The numbers of lines that a person may have written."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [number for number, line in enumerate(lines) if line.strip() and len(line) < 200]


def _held_out(path: Path, chance: random.Random) -> tuple[Snapshot, str]:
    """A file without the rest of one of its lines, from its indentation or from its middle, and that rest."""
    lines = path.read_text(encoding="utf-8").split("\n")
    number = chance.choice(_written(path))
    line = lines[number]
    indentation = len(line) - len(line.lstrip())
    column = chance.choice([indentation, indentation, chance.randrange(indentation, len(line))])
    text = "\n".join([*lines[:number], line[:column], *lines[number + 1 :]])
    document = Document(path.as_uri(), language_of("", path.name) or "plaintext", 1, text)
    return replace(document.snapshot(Position(0, 0), "utf-32", 10_000.0), line=number, column=column), line[column:]
