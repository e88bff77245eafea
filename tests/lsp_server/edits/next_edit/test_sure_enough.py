"""How sure an engine has to be of what a rule drafts. No model."""

from __future__ import annotations

import asyncio

import pytest

from lacuna.engine.api import Passage, Patch, Patched, Revision, Surprise
from lacuna.lsp_server.edits.next_edit.found import Found
from lacuna.lsp_server.edits.next_edit.recent_edits import difference
from lacuna.lsp_server.edits.next_edit.search import Search
from lacuna.lsp_server.edits.next_edit.site import Version

BEFORE = "size = 1\nprint(size)\n"
AFTER = "width = 1\nprint(size)\n"


class Engine:
    """Says of every draft the same."""

    def __init__(self, is_in_fim_layout: bool, gain: float, lift: float) -> None:
        self.is_in_fim_layout = is_in_fim_layout
        self._gain, self._lift = gain, lift

    async def surprises(self, passage: Passage, deadline: float) -> tuple[Surprise, ...]:
        return (Surprise(0, len(passage.text), 9.0, -9.0),)

    async def patch(self, patch: Patch, deadline: float) -> Patched:
        return Patched(tuple(Revision(texts, self._gain, 0.0, True, self._lift) for texts in patch.candidates), 1, 1)


@pytest.mark.parametrize(
    ("is_in_fim_layout", "gain", "lift", "is_offered"),
    [
        (True, 1.0, 3.5, True),
        (True, 1.0, 2.5, False),
        (True, -3.5, 8.0, True),
        (True, -5.7, 10.0, False),  # the text as it is stays far likelier, whatever the edit has changed
        (False, -5.7, 10.0, True),  # there a word has become less likely, too
    ],
)
def test_what_is_offered(is_in_fim_layout: bool, gain: float, lift: float, is_offered: bool) -> None:
    edit = difference(BEFORE, AFTER)
    assert edit is not None
    engine = Engine(is_in_fim_layout, gain, lift)
    search = Search(engine, lambda uri, line, new: False)  # type: ignore[arg-type]
    found = asyncio.run(search.next(Version("file:///a.py", AFTER, "python", edit), 0))
    assert isinstance(found, Found) is is_offered
