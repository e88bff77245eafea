"""A next edit never loses code: what was typed lately, and lines that stand nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from lacuna.engine.api import Passage, Patch, Patched, Revision, Surprise
from lacuna.lsp_server.edits.next_edit.lost_code import loses_code
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.recent_edits import difference
from lacuna.lsp_server.edits.next_edit.search import Search
from lacuna.lsp_server.edits.next_edit.site import Version

CALLBACK = """\
function load(url) {
  return fetch(url);
}

load("a.json", (error, data) => {
  report(error);
  show(data);
});
"""


def offered(text: str, old: str, new: str, typed: str = "") -> bool:
    start = text.index(old)
    spans = [(text.index(typed), text.index(typed) + len(typed))] if typed else []
    return not loses_code(text, start, start + len(old), new, spans)


def test_a_callback_of_some_lines_is_no_argument_to_remove() -> None:
    argument = CALLBACK[CALLBACK.index(", (error") : CALLBACK.rindex(");")]
    assert argument.count("\n") == 3
    assert not offered(CALLBACK, argument, "")
    assert not offered(CALLBACK, f'("a.json"{argument})', '("a.json")'), "wherever the hole begins"


@pytest.mark.parametrize("layout", ["  report(error);\n  show(data);\n", "report(error); show(data);"])
def test_lines_that_stand_somewhere_else_may_go(layout: str) -> None:
    body = "  report(error);\n  show(data);\n"
    text = CALLBACK + "function other(error, data) {\n" + layout + "}\n"
    assert offered(text, body, "")
    assert offered(CALLBACK, body, f"done(() => {{ {body} }});\n"), "or in what is put there"
    assert not offered(CALLBACK, body, "")


def test_an_argument_on_one_line_may_go() -> None:
    assert offered("connect(host, port, retries)\n", ", retries", "")


def test_what_was_typed_lately_does_not_go() -> None:
    text = "connect(host, port, retries)\nconnect(host, port)\n"
    assert not offered(text, ", retries", "", typed="retries")
    assert offered(text, ", retries", "", typed="connect(host, port)\n")
    assert offered(text, "retries", "attempts", typed="retries"), "to call it something else takes nothing away"
    assert offered(text, ", retries", ", retries, timeout", typed="retries")


class Sure:
    """An engine that is sure that all of each hole should go."""

    def __init__(self, is_in_fim_layout: bool) -> None:
        self.is_in_fim_layout = is_in_fim_layout

    async def surprises(self, passage: Passage, deadline: float) -> tuple[Surprise, ...]:
        return (Surprise(0, len(passage.text), 9.0, -9.0),)

    async def patch(self, patch: Patch, deadline: float) -> Patched:
        return Patched((Revision(("",) * len(patch.holes), 50.0, 50.0, True, lift=50.0),), 1, 1)


@pytest.mark.parametrize("is_in_fim_layout", [True, False])
def test_search_says_why_it_offers_nothing(is_in_fim_layout: bool) -> None:
    before = CALLBACK.replace("load(url)", "load(url, done)")
    edit = difference(before, CALLBACK)
    assert edit is not None
    version = Version("file:///a.js", CALLBACK, "javascript", edit)
    search = Search(Sure(is_in_fim_layout), lambda uri, line, new: False)  # type: ignore[arg-type]
    assert asyncio.run(search.next(version, 0)) is Quiet.LOSES_CODE
