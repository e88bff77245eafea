"""Windows of other open documents: at uses of what an edit defines, and no word of a secret. No model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edits_worker import DiffWorker

from lacuna.engine.diff_api import DiffQuestion, LineChange
from lacuna.engine.untrusted.secrets import has_token
from lacuna.lsp_server.config import DEFAULTS
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Edit, Position, Text
from lacuna.lsp_server.edits.next_edit import service, site
from lacuna.lsp_server.edits.next_edit.change import change_of
from lacuna.lsp_server.edits.next_edit.diff_windows import LINES, DiffWindow
from lacuna.lsp_server.edits.next_edit.found import Found
from lacuna.lsp_server.edits.next_edit.offers import Offer, Quiet
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdits, difference
from lacuna.lsp_server.edits.next_edit.search import speaks_against
from lacuna.lsp_server.edits.next_edit.site import Other, Version, tell_secrets
from lacuna.lsp_server.edits.next_edit.windows_elsewhere import WINDOWS, windows_elsewhere
from lacuna.lsp_server.edits.suggestions import EditSuggestions
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
    assert any(tell_secrets([Version("file:///a.py", after, "python", edit)]))
    plain_text = after.removeprefix(key)
    moved = replace(edit, start=edit.start - len(key), end=edit.end - len(key))
    assert not any(tell_secrets([Version("file:///a.py", plain_text, "python", moved)]))
    taken = difference(after, plain_text)
    assert taken is not None and any(tell_secrets([Version("file:///a.py", plain_text, "python", taken)])), (
        "what has gone, too"
    )


class User:
    """Has edited book.py; other documents are open too, the last one was opened last."""

    def __init__(self, below: str = "", **others: str) -> None:
        self.worker, self.documents = DiffWorker(self._year), DocumentStore()
        self.knows = '        author=data["author"],\n'
        self.edits = EditSuggestions(self.documents, Setup.of(DEFAULTS, self.worker))
        for name, text in others.items():
            self.documents.open(f"untitled:p/{name}.py".replace("env.py", ".env"), "python", 1, text)
        self.documents.open("untitled:p/book.py", "python", 1, BOOK + below)
        self.edits.notice()
        self.change("book", Edit(Position(7, 0), Position(7, 0), "    year: int\n"))

    def change(self, name: str, edit: Edit) -> None:
        uri = f"untitled:p/{name}.py"
        self.documents.change(uri, self.documents.get(uri).version + 1, [edit])
        self.edits.notice()

    async def next(self) -> Offer | Quiet:
        return await self.edits.next_edit("untitled:p/book.py", Position(7, 13))

    @property
    def asked(self) -> list[str]:
        """The other documents that were asked about; "" for the own one."""
        return [question.elsewhere for question in self.worker.questions]

    def _year(self, question: DiffQuestion) -> LineChange | None:
        """Behind a line that the model knows."""
        if self.knows not in question.lines:
            return None
        at = question.lines.index(self.knows) + 1
        return LineChange(at, at, ('        year=data["year"],\n',), 9.0, 9.0)


async def test_an_offer_in_another_document() -> None:
    user = User(reader=READER)
    offer = await user.next()
    assert isinstance(offer, Offer) and (offer.uri, offer.version) == ("untitled:p/reader.py", 1)
    assert (offer.replacement.start.line, offer.replacement.text) == (7, '        year=data["year"],\n')
    assert user.asked[0] == "" and user.asked[-1].endswith("reader.py"), "its own document first"


async def test_two_other_documents_at_most_and_none_that_is_to_be_left_alone() -> None:
    user = User(a=READER, b=READER, c=READER, env=READER)
    user.knows = "nothing"
    assert await user.next() is Quiet.NO_BETTER
    assert len({path for path in user.asked if path}) == service.OTHERS
    assert not any(".env" in path for path in user.asked)


async def test_what_an_own_window_offers_goes_before() -> None:
    user = User(reader=READER)
    user.knows = "def shelf(books):\n"
    offer = await user.next()
    assert isinstance(offer, Offer) and offer.uri == "untitled:p/book.py"
    assert not any(user.asked)


async def test_what_was_just_typed_in_another_document_is_known_and_does_not_go() -> None:
    author, pages = '        author=data["author"],\n', '        author=data["author"], pages=1,\n'

    def without_pages(question: DiffQuestion) -> LineChange | None:
        at = question.lines.index(pages) if pages in question.lines else None
        return None if at is None else LineChange(at, at + 1, (author,), 9.0, 9.0)

    user = User(reader=READER)
    user.worker.goes_on = without_pages
    user.change("reader", Edit(Position(6, 30), Position(6, 30), " pages=1,"))
    assert isinstance(await user.next(), Quiet)
    assert any(pages in question.lines for question in user.worker.questions)
    other = User(reader=READER.replace(author, pages))
    other.worker.goes_on = without_pages
    assert isinstance(await other.next(), Offer), "what nobody has typed lately may go"


def test_what_was_just_typed_in_another_document_stays_where_rules_draft_too() -> None:
    text = "def f(a, b):\n    pass\n"
    edit = difference(text, now := text.replace("a, b", "a"))
    change = edit and change_of(edit, now)
    assert edit is not None and change is not None
    version = Version("file:///a.py", now, "python", edit)
    for typed in ((), ((5, 6),)):
        [one] = site.sites(version, change, 0, [Other("file:///b.py", "f(1, 2)\n", typed)], 9)
        found = Found(one.uri, 3, 6, "", one.line, "f(1)")
        assert speaks_against(one, found) is (Quiet.LOSES_CODE if typed else None)


@pytest.mark.parametrize("count", [0, 2])
async def test_a_document_is_read_once_for_keys_however_many_edits_are_looked_at(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def noted(text: str) -> bool:
        read.append(len(text))
        return has_token(text)

    monkeypatch.setattr(site, "has_token", noted)
    below = "".join(f"value_{at} = {at}\n" for at in range(5000))
    user = User(below, reader=READER)
    for at in range(count):
        user.change("book", Edit(Position(2000 * at + 2000, 0), Position(2000 * at + 2000, 0), f"shelf({at})\n"))
    user.knows = "nothing"
    assert isinstance(await user.next(), Quiet)
    assert len(read) == 2 + count
    assert [size > len(below) for size in read] == [True] + [False] * (1 + count)


@pytest.mark.parametrize("below", ["", "\n" * 500 + 'x = "AKIA' + 'IOSFODNN7EXAMPLA"\n'])
async def test_a_key_anywhere_in_the_document_is_told_to_no_other_one(below: str) -> None:
    user = User(below, reader=READER)
    offer = await user.next()
    assert isinstance(offer, Offer) is (not below)
    assert any(user.asked) is (not below)
