"""Evaluation gaps: what is cut out is what stood there, and somebody would have wanted it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from lacuna.engine.evaluate.gaps import AUTOMATIC, PER_FILE, EvaluationGap, GapKind, cut_gaps
from lacuna.engine.evaluate.source_files import SourceFile, read_split

ROOT = Path(__file__).parents[3]
SOURCES = [
    SourceFile("lacuna", str(path.relative_to(ROOT)), "python", path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "engine").glob("*.py"))
]
C = SourceFile(
    "list",
    "list.c",
    "c",
    """/* A list. */
#include <stdlib.h>

static int list_length(struct list *head)
{
    int length = 0;
    while (head != NULL) {
        head = head->next;
        length++;
    }
    return length;
}

struct list *list_push(struct list *head, int value)
{
    struct list *item = malloc(sizeof(struct list));
    item->value = value;
    item->next = head;
    return item;
}
""",
)


def cut(wanted: int = 200, files: list[SourceFile] = SOURCES, **options: object) -> list[EvaluationGap]:
    return cut_gaps(files, wanted, **options)  # type: ignore[arg-type]


def before(gap: EvaluationGap) -> str:
    return gap.document[: gap.left]


def after(gap: EvaluationGap) -> str:
    return gap.document[gap.left :]


def test_what_was_cut_out_closes_the_gap() -> None:
    for gap in cut():
        assert before(gap) + gap.truth + after(gap) == gap.file.text
        in_line = gap.kind in AUTOMATIC
        assert len(gap.truth) <= (60 if in_line else 240)
        assert gap.truth.count("\n") < (1 if in_line else 8)


def test_every_kind_is_cut_and_is_what_it_says() -> None:
    gaps = cut(1000)
    assert {gap.kind for gap in gaps} == set(GapKind)
    for gap in gaps:
        left, right = before(gap), after(gap)
        match gap.kind:
            case GapKind.EMPTY:
                assert gap.truth == ""
                assert not right[:1].isalnum()
            case GapKind.ARGUMENTS:
                assert right[0] in ")>]"
            case GapKind.REST_OF_LINE | GapKind.LINES:
                assert right[:1] in ("", "\n")
                assert (gap.kind is GapKind.LINES) == ("\n" in gap.truth)
            case GapKind.STATEMENT | GapKind.BLOCK:
                assert not left.rpartition("\n")[2].strip()
                assert right[:1] in ("", "\n")
                assert gap.truth == gap.truth.strip()
            case GapKind.SPAN:
                assert gap.truth.strip()


def test_statements_of_python_are_statements() -> None:
    for gap in cut(300, kinds=(GapKind.STATEMENT,)):
        indentation = before(gap).rpartition("\n")[2]
        lines = [line.removeprefix(indentation) for line in gap.truth.split("\n")]
        inside = "\n    ".join(["def function():", *lines]) if "return" in gap.truth else "\n".join(lines)
        if not gap.truth.startswith(("break", "continue", "else", "elif", "except")) and '"""' not in gap.truth:
            ast.parse(inside if "yield" not in gap.truth else "\n    ".join(["def function():", *lines]))


def test_what_stands_in_braces_is_cut_without_them() -> None:
    gaps = cut_gaps([C], 1000, kinds=(GapKind.BLOCK,))
    assert [gap.truth for gap in gaps] == ["head = head->next;\n        length++;"]
    assert before(gaps[0]).endswith("while (head != NULL) {\n        ")


def test_the_same_seed_cuts_the_same_whatever_else_is_wanted() -> None:
    assert cut() == cut()
    assert cut(seed=1) != cut()
    rests = [gap for gap in cut() if gap.kind is GapKind.REST_OF_LINE]
    alone = cut(1000, kinds=(GapKind.REST_OF_LINE,))
    assert set(rests) <= set(alone)


def test_files_are_taken_from_every_package_and_in_turns_of_python_and_others() -> None:
    small = [SourceFile("small", f"{number}.c", "c", C.text) for number in range(2)]
    gaps = cut(sum(PER_FILE.values()) * 4, files=[*SOURCES, *small])
    order = list(dict.fromkeys(gap.file.language for gap in gaps)), list(dict.fromkeys(gap.file.name for gap in gaps))
    assert order[0] == ["python", "c"]
    assert [name.startswith("lacuna") for name in order[1][:4]] == [True, False, True, False]


def test_a_split_is_read_and_a_broken_one_is_told() -> None:
    with pytest.raises(ValueError, match="run `lacuna corpus build`"):
        list(read_split(Path("nowhere.jsonl")))


def test_a_line_that_is_no_file_is_named(tmp_path: Path) -> None:
    split = tmp_path / "test.jsonl"
    fields = {"package": "list", "version": "1", "licence": "MIT", "language": "c", "path": "list.c", "text": C.text}
    split.write_text(json.dumps(fields) + '\n{"package": "list"}\n', encoding="utf-8")
    files = read_split(split)
    assert next(files) == C
    with pytest.raises(ValueError, match="line 2"):
        next(files)
