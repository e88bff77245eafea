"""Rewriting a block with an instruction: what the model is given, what comes of its answer, and the command."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_diffusion_gemma
from edits_client import editing
from pygls.exceptions import JsonRpcException

from lacuna.lsp_server.documents.store import Document
from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.replacement import Replacement
from lacuna.lsp_server.edits.rewrite import Rewrite, replacement_of
from lacuna.lsp_server.infill.suggestion import Reason

CODE = "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"


def rewrite_of(text: str, start: tuple[int, int], end: tuple[int, int]) -> Rewrite:
    rewrite = Rewrite.of(Document("untitled:a.py", "python", 1, text), Place(*start), Place(*end))
    assert rewrite is not None
    return rewrite


def test_a_selection_is_given_with_what_stands_around_it() -> None:
    assert rewrite_of(CODE, (1, 8), (3, 0)).code == "f(self):\n        return 1"
    whole = rewrite_of(CODE, (1, 4), (3, 0))
    assert whole.code == "    def f(self):\n        return 1"
    assert whole.prefix + whole.code + whole.suffix == CODE
    assert (whole.start, whole.end) == (Place(1, 0), Place(2, 16))


def test_nothing_is_no_code() -> None:
    assert Rewrite.of(Document("untitled:a.py", "python", 1, CODE), Place(3, 0), Place(4, 2)) is None


def test_an_answer_stands_as_deep_as_the_code_did() -> None:
    rewrite = rewrite_of(CODE, (1, 4), (2, 16))
    expected = Replacement("    def f(self):\n        return 3", Place(1, 0), Place(2, 16))
    assert replacement_of(rewrite, "def f(self):\n    return 3\n") == expected
    assert replacement_of(rewrite, "    def f(self):\n        return 3") == expected
    assert replacement_of(rewrite, "def f(self):\n\treturn 3") == expected


def test_an_answer_that_changes_nothing_is_a_reason() -> None:
    rewrite = rewrite_of(CODE, (1, 4), (2, 16))
    assert replacement_of(rewrite, "def f(self):\n    return 1\n") is Reason.AS_IT_IS
    assert replacement_of(rewrite, "\n") is Reason.EMPTY


def test_line_ends_are_the_documents() -> None:
    replacement = replacement_of(
        rewrite_of(CODE.replace("\n", "\r\n"), (1, 4), (2, 16)), "def f(self):\n    return 3\n"
    )
    assert isinstance(replacement, Replacement) and replacement.text == "    def f(self):\r\n        return 3"


async def test_the_command_gives_an_edit_that_has_to_be_confirmed(tmp_path: Path) -> None:
    model = tiny_diffusion_gemma.write(tmp_path)
    async with editing({"model": str(model)}) as (client, _):
        await client.until("ready")
        client.open(CODE)
        document = {"uri": "untitled:test.py"}
        span = {"start": {"line": 1, "character": 4}, "end": {"line": 2, "character": 16}}
        asked = {"textDocument": document, "range": span, "instruction": "return 3"}
        edit = await client.run("lacuna.rewrite", asked)
        [change] = edit["documentChanges"]
        assert change["textDocument"] == {"uri": "untitled:test.py", "version": 0}
        assert change["edits"][0]["newText"].strip()
        assert [one["needsConfirmation"] for one in edit["changeAnnotations"].values()] == [True]
        with pytest.raises(JsonRpcException, match="instruction"):
            await client.run("lacuna.rewrite", {**asked, "instruction": " "})
        with pytest.raises(JsonRpcException, match="not open"):
            await client.run("lacuna.rewrite", {**asked, "textDocument": {"uri": "untitled:other.py"}})
