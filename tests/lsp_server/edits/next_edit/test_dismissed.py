"""Who dismisses an offer gets no other one in its place until the next edit, whatever both were found by. No model."""

from __future__ import annotations

import math

import pytest

from lacuna.engine.api import Patch, Patched, Revision
from lacuna.engine.diff_api import DiffQuestion, LineChange
from lacuna.lsp_server.config import DEFAULTS
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Edit, Position
from lacuna.lsp_server.edits.next_edit.offers import Offer, Quiet
from lacuna.lsp_server.edits.suggestions import EditSuggestions
from lacuna.lsp_server.model.engine_thread import EngineThread
from lacuna.lsp_server.model.loading import load
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.worker import Worker
from lacuna.lsp_server.setup import Setup

A, B = "untitled:a.py", "untitled:b.py"
CODE = "size = 1\nprint(size)\nshow(size + 1)\n"
BY_RULE, BY_DIFF = "print(width)", "show(width + 1)"


class Sure(Worker):
    """An engine that is sure of what a rule drafts, or of a line of the diff."""

    def __init__(self) -> None:
        super().__init__(EngineThread(), None, load)
        self.phase, self.is_in_fim_layout = Phase.READY, True
        self.knows_rules = self.knows_lines = True
        self.asked = 0

    async def patch(self, patch: Patch, deadline: float = math.inf) -> Patched:
        self.asked += 1
        sure = 50.0 if self.knows_rules else -50.0
        return Patched(tuple(Revision(texts, sure, sure, True, lift=sure) for texts in patch.candidates), 1, 1)

    async def continue_diff(self, question: DiffQuestion, deadline: float) -> tuple[LineChange, ...]:
        self.asked += 1
        at = next((at for at, line in enumerate(question.lines) if line == "show(size + 1)\n"), None)
        return () if at is None or not self.knows_lines else (LineChange(at, at + 1, (f"{BY_DIFF}\n",), 50.0, 50.0),)


class User:
    def __init__(self, **texts: str) -> None:
        self.worker = Sure()
        self.documents = DocumentStore()
        self.edits = EditSuggestions(self.documents, Setup.of(DEFAULTS, self.worker))
        for name, text in texts.items():
            self.documents.open(f"untitled:{name}.py", "python", 1, text)
        self.edits.notice()

    def replace(self, uri: str, old: str, new: str) -> None:
        document = self.documents.get(uri)
        text = str(document.text)
        start, end = (document.text.place_at(at) for at in (text.index(old), text.index(old) + len(old)))
        edit = Edit(Position(start.line, start.column), Position(end.line, end.column), new)
        self.documents.change(uri, document.version + 1, [edit])
        self.edits.notice()

    def rename(self) -> None:
        self.replace(A, "size = 1", "width = 1")

    async def next(self, uri: str = A) -> Offer | Quiet:
        return await self.edits.next_edit(uri, Position(0, 5))

    async def offered(self, uri: str = A) -> Offer:
        found = await self.next(uri)
        assert isinstance(found, Offer)
        return found

    async def dismisses(self, uri: str = A) -> Offer:
        offer = await self.offered(uri)
        self.edits.offers.dismiss(offer.id)
        return offer

    async def is_left_alone(self, uri: str = A) -> bool:
        asked = self.worker.asked
        return await self.next(uri) is Quiet.DISMISSED and self.worker.asked == asked


async def test_after_an_offer_by_a_rule_comes_none_by_the_diff() -> None:
    user = User(a=CODE)
    user.rename()
    assert (await user.dismisses()).new_line == BY_RULE
    assert await user.is_left_alone()
    user.worker.knows_rules = False
    assert await user.is_left_alone()


async def test_after_an_offer_by_the_diff_comes_none_by_a_rule() -> None:
    user = User(a=CODE)
    user.rename()
    user.worker.knows_rules = False
    assert (await user.dismisses()).new_line == BY_DIFF
    user.worker.knows_rules = True
    assert await user.is_left_alone()


async def test_the_next_edit_is_followed_again() -> None:
    user = User(a=CODE)
    user.rename()
    dismissed = await user.dismisses()
    user.replace(A, "width = 1", "width = 2")
    other = await user.offered()
    assert other.new_line != dismissed.new_line, "that one does not come back"


async def test_an_offer_that_others_stand_in_is_not_dismissed() -> None:
    user = User(a=CODE)
    user.rename()
    first = await user.offered()
    assert (await user.offered()).new_line == first.new_line, "asked again"
    user.replace(A, "print(size)", "print(width)")
    assert (await user.offered()).new_line == BY_DIFF, "taken"


async def test_what_is_taken_and_undone_was_dismissed() -> None:
    user = User(a=CODE)
    user.rename()
    await user.offered()
    user.replace(A, "print(size)", "print(width)")
    user.replace(A, "print(width)", "print(size)")
    assert await user.is_left_alone()
    user.replace(A, "width = 1", "width = 2")
    assert isinstance(await user.next(), Offer)


@pytest.mark.parametrize("is_edited", [False, True])
async def test_an_offer_in_another_document_is_dismissed_for_the_edit(is_edited: bool) -> None:
    user = User(a="def size():\n    return 1\n", b="print(size())\nshow(size() + 1)\n")
    user.replace(A, "size", "width")
    offer = await user.offered()
    assert (offer.uri, offer.edited) == (B, A)
    if is_edited:
        user.replace(B, "print(size())", "print(3)")
    else:
        user.edits.offers.dismiss(offer.id)
    assert await user.is_left_alone(A)
    user.replace(A, "width", "length")
    assert isinstance(await user.next(A), Offer)


async def test_edits_of_other_documents_are_followed_all_the_same() -> None:
    user = User(a=CODE, b=CODE)
    user.replace(B, "size = 1", "width = 1")
    user.rename()
    await user.dismisses(A)
    assert (await user.offered(B)).uri == B


async def test_what_is_found_while_an_offer_is_dismissed_is_not_offered() -> None:
    user = User(a=CODE)
    user.rename()
    offer, patched = await user.offered(), user.worker.patch

    async def dismissing(patch: Patch, deadline: float = math.inf) -> Patched:
        user.edits.offers.dismiss(offer.id)
        return await patched(patch, deadline)

    user.worker.patch = dismissing  # type: ignore[method-assign]
    assert await user.next() is Quiet.DISMISSED
