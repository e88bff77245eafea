"""Windows of other open documents: at uses of what an edit defines, and no word of a secret. No model."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from lacuna.engine.api import Passage, Patch, Patched, Surprise
from lacuna.engine.diff_api import DiffQuestion, LineChange
from lacuna.lsp_server.config import DEFAULTS
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Edit, Position, Text
from lacuna.lsp_server.edits.next_edit import service
from lacuna.lsp_server.edits.next_edit.change import change_of
from lacuna.lsp_server.edits.next_edit.diff_windows import LINES, DiffWindow
from lacuna.lsp_server.edits.next_edit.offers import Offer, Quiet
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdits, difference
from lacuna.lsp_server.edits.next_edit.site import Other, Version, holds_secret
from lacuna.lsp_server.edits.next_edit.windows_elsewhere import WINDOWS, windows_elsewhere
from lacuna.lsp_server.edits.suggestions import EditSuggestions
from lacuna.lsp_server.model.engine_thread import EngineThread
from lacuna.lsp_server.model.loading import load
from lacuna.lsp_server.model.worker import Phase, Worker
from lacuna.lsp_server.setup import Setup

BOOK = """\
from dataclasses import dataclass


@dataclass
class Book:
    title: str
    author: str


def shelf(books):
    return sorted(books)
"""
READER = """\
from book import Book


def read_book(data):
    return Book(
        title=data["title"],
        author=data["author"],
    )
"""
YEAR = ("    author: str\n", "    author: str\n    year: int\n")
KEY = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"


def windows(other: str, *edits: tuple[str, str], text: str = BOOK) -> list[DiffWindow]:
    recent = RecentEdits()
    recent.notice("file:///p/book.py", Text(text))
    for old, new in edits or (YEAR,):
        assert old in text
        text = text.replace(old, new, 1)
        recent.notice("file:///p/book.py", Text(text))
    edited = recent.of("file:///p/book.py")
    change = change_of(edited[0], text)
    assert change is not None
    version = Version("file:///p/book.py", text, "python", edited[0])
    return windows_elsewhere("p/book.py", version, edited, change, Other("file:///p/reader.py", other))


def test_uses_of_the_class_that_a_field_is_put_into() -> None:
    found = windows(READER)
    window = next(window for window in found if "    return Book(\n" in window.question.lines)
    question = window.question
    assert (question.path, question.elsewhere) == ("p/book.py", "p/reader.py")
    assert [hunk.added for hunk in question.hunks] == [("    year: int\n",)]
    lines = READER.splitlines(keepends=True)
    first = question.line - 1
    assert list(question.lines) == lines[first : first + len(question.lines)]
    assert window.text[window.start :].startswith(question.lines[0]) and window.uri == "file:///p/reader.py"
    assert first + question.related[0] in (0, 4)


def test_uses_of_a_function_whose_body_or_head_was_edited() -> None:
    uses = "from book import shelf\n\n\nprint(shelf([]))\n"
    assert windows(uses, ("sorted(books)", "set(books)"))
    assert windows(uses, ("def shelf", "async def shelf"))


@pytest.mark.parametrize(
    "other",
    [
        "def total(books):\n    return sorted(books)\n",  # the same names, which are its own
        "class Book:\n    title: str\n\n\nprint(Book())\n",  # a class of its own
        "print(Book)\n" * 30,  # everywhere
        "",
    ],
)
def test_what_uses_nothing_that_was_edited_is_left_alone(other: str) -> None:
    assert windows(other) == []


def test_windows_are_few_and_bounded() -> None:
    far = "\n\n".join(f"x_{at} = 0\n" * 12 + f"print(Book({at}))" for at in range(7))
    found = windows(far)
    assert len(found) == WINDOWS
    assert all(0 < len(window.question.lines) <= LINES for window in found)


def test_an_edit_near_a_secret_or_an_older_one_that_brought_it_is_told_to_no_other_document() -> None:
    secret = ("from dataclasses", f'SECRET_KEY = "{KEY}"\nfrom dataclasses')
    assert windows(READER, secret, YEAR) == []
    assert windows(READER, (BOOK[-5:], f'{BOOK[-5:]}SECRET_KEY = "{KEY}"\n'), YEAR) == [], "far away"
    assert windows(READER, ('SECRET_KEY = "', 'KEY_2 = "'), YEAR, text=f'SECRET_KEY = "{KEY}"\n{BOOK}') == []
    assert windows(READER, ("sorted(books)", "set(books)"), YEAR)


def test_no_other_document_hears_of_an_edit_near_a_part_of_a_key() -> None:
    """Of a long one nothing that is told need say so."""
    lines = "".join(f"{'MIIEowIBAAKCAQEA' * 4}\n" for _ in range(20))
    key = f'KEY = """-----BEGIN RSA {"PRIVATE"} KEY-----\n{lines}-----END RSA {"PRIVATE"} KEY-----"""\n'
    before = f"{key}\n\ndef use(a):\n    return a\n"
    after = before.replace("use(a)", "use(a, b)")
    edit = difference(before, after)
    assert edit is not None
    assert holds_secret(Version("file:///a.py", after, "python", edit))
    plain_text = after.removeprefix(key)
    moved = replace(edit, start=edit.start - len(key), end=edit.end - len(key))
    assert not holds_secret(Version("file:///a.py", plain_text, "python", moved))
    taken = difference(after, plain_text)
    assert taken is not None and holds_secret(Version("file:///a.py", plain_text, "python", taken)), (
        "what has gone, too"
    )


class Asked(Worker):
    """Notes what it is asked, and is sure of one line."""

    def __init__(self) -> None:
        super().__init__(EngineThread(), None, load)
        self.phase, self.is_in_fim_layout = Phase.READY, True
        self.asked: list[str] = []
        self.knows = '        author=data["author"],\n'

    async def surprises(self, passage: Passage, deadline: float = math.inf) -> tuple[Surprise, ...]:
        return ()

    async def patch(self, patch: Patch, deadline: float = math.inf) -> Patched:
        return Patched((), 1, 1)

    async def continue_diff(self, question: DiffQuestion, deadline: float) -> tuple[LineChange, ...]:
        self.asked.append(question.elsewhere)
        if self.knows not in question.lines:
            return ()
        at = question.lines.index(self.knows) + 1
        return (LineChange(at, at, ('        year=data["year"],\n',), 9.0, 9.0),)


class User:
    """Has edited book.py; other documents are open too, the last one was opened last."""

    def __init__(self, **others: str) -> None:
        self.worker, self.documents = Asked(), DocumentStore()
        self.edits = EditSuggestions(self.documents, Setup.of(DEFAULTS, self.worker))
        for name, text in others.items():
            self.documents.open(f"untitled:p/{name}.py".replace("env.py", ".env"), "python", 1, text)
        self.documents.open("untitled:p/book.py", "python", 1, BOOK)
        self.edits.notice()
        self.documents.change("untitled:p/book.py", 2, [Edit(Position(7, 0), Position(7, 0), "    year: int\n")])
        self.edits.notice()

    async def next(self) -> Offer | Quiet:
        return await self.edits.next_edit("untitled:p/book.py", Position(7, 13))


async def test_an_offer_in_another_document() -> None:
    user = User(reader=READER)
    offer = await user.next()
    assert isinstance(offer, Offer) and (offer.uri, offer.version) == ("untitled:p/reader.py", 1)
    assert (offer.replacement.start.line, offer.replacement.text) == (7, '        year=data["year"],\n')
    assert user.worker.asked[0] == "" and user.worker.asked[-1].endswith("reader.py"), "its own document first"


async def test_two_other_documents_at_most_and_none_that_is_to_be_left_alone() -> None:
    user = User(a=READER, b=READER, c=READER, env=READER)
    user.worker.knows = "nothing"
    assert await user.next() is Quiet.NO_BETTER
    assert len({path for path in user.worker.asked if path}) == service.OTHERS
    assert not any(".env" in path for path in user.worker.asked)


async def test_what_an_own_window_offers_goes_before() -> None:
    user = User(reader=READER)
    user.worker.knows = "def shelf(books):\n"
    offer = await user.next()
    assert isinstance(offer, Offer) and offer.uri == "untitled:p/book.py"
    assert not any(user.worker.asked)
