"""What a model that was taught with real edits is asked, and what becomes of its answers. No model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from edits_worker import EditsWorker

from lacuna.engine.diff_api import WINDOW_LINES, DiffQuestion, LineEdit
from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.edits.next_edit.change import change_of
from lacuna.lsp_server.edits.next_edit.diff_windows import DiffWindow
from lacuna.lsp_server.edits.next_edit.edit_search import SURE, EditSearch
from lacuna.lsp_server.edits.next_edit.edit_windows import LEAD, WINDOWS, edit_windows
from lacuna.lsp_server.edits.next_edit.found import Found
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdits
from lacuna.lsp_server.edits.next_edit.site import Other, Version

URI = "file:///users.py"
TEXT = """\
def fetch(client, user_id):
    return client.get(user_id)


def load(client, user_id):
    profile = fetch(client, user_id)
    return profile
"""
FILLER = "".join(f"value_{at} = {at}\n" for at in range(30))


class Edited:
    def __init__(self, text: str, *replacements: tuple[str, str]) -> None:
        recent = RecentEdits()
        recent.notice(URI, Text(text))
        for old, new in replacements:
            assert text.count(old) == 1
            text = text.replace(old, new)
            recent.notice(URI, Text(text))
        self.text, self.recent = text, recent.of(URI)
        self.version = Version(URI, text, "python", self.recent[0], tuple((e.start, e.end) for e in self.recent))

    def windows(self) -> list[DiffWindow]:
        change = change_of(self.recent[0], self.text)
        assert change is not None
        return list(edit_windows("users.py", self.version, self.recent, change))

    async def asked(self, worker: EditsWorker, *refused: str, others: Sequence[Other] = ()) -> Found | Quiet:
        search = EditSearch(worker, lambda uri, line, new_line: new_line in refused)
        return await search.next(self.version, "users.py", self.recent, others, float("inf"))


HEAD = ("def fetch(client, user_id)", "def fetch(client, user_id, timeout)")
CALL = "    profile = fetch(client, user_id, timeout)\n"


OLD_CALL = "    profile = fetch(client, user_id)\n"


def call_changed(probability: float, line: str = CALL) -> EditsWorker:
    def told(question: DiffQuestion) -> LineEdit | None:
        at = question.lines.index(OLD_CALL) if OLD_CALL in question.lines else None
        return None if at is None else LineEdit(at, at + 1, (line,), probability)

    return EditsWorker(told)


def test_windows_are_below_the_edit_around_what_it_touches_and_above_it() -> None:
    text = FILLER + TEXT.replace("\n\n\ndef load", f"\n\n\n{FILLER.replace('value', 'other')}\n\ndef load")
    edited = Edited(text, HEAD)
    below, around, above = (window.question for window in edited.windows())
    lines = edited.text.splitlines(keepends=True)
    for question in (below, above, around):
        first = question.line - 1 + len(question.above)
        assert (
            list(question.lines) == lines[first : first + len(question.lines)] and len(question.lines) <= WINDOW_LINES
        )
        assert question.hunks == below.hunks
    assert below.lines[0] == "    return client.get(user_id)\n" and below.above == ()
    assert above.lines[-1] == "value_29 = 29\n"
    assert around.lines[LEAD] == "def load(client, user_id):\n" and len(around.above) == 2
    assert "    profile = fetch(client, user_id)\n" in around.lines


def test_windows_say_where_their_lines_stand_and_are_few() -> None:
    edited = Edited(FILLER + TEXT + "".join(f"fetch({at})\n{FILLER}" for at in range(6)), HEAD)
    windows = edited.windows()
    assert len(windows) == WINDOWS
    for window in windows:
        for at, line in enumerate(window.question.lines):
            start, end = window.span(at, at + 1)
            assert edited.text[start:end] == line


def test_at_both_ends_of_a_file_there_is_nothing_to_ask_for() -> None:
    assert [w.question.lines[0] for w in Edited("a = 1\nb = 2\n", ("a = 1", "a = 3")).windows()] == ["b = 2\n"]
    assert [w.question.lines[0] for w in Edited("a = 1\nb = 2\n", ("b = 2", "b = 3")).windows()] == ["a = 1\n"]
    assert Edited("a = 1\n", ("a = 1", "a = 3")).windows() == []


async def test_what_is_probable_is_offered() -> None:
    edited, worker = Edited(TEXT, HEAD), call_changed(SURE + 0.01)
    found = await edited.asked(worker)
    assert isinstance(found, Found)
    assert edited.text[: found.start] + found.text + edited.text[found.end :] == edited.text.replace(
        "    profile = fetch(client, user_id)\n", CALL
    )


async def test_what_is_not_is_not() -> None:
    assert await Edited(TEXT, HEAD).asked(call_changed(SURE - 0.01)) is Quiet.NO_BETTER


async def test_a_dismissed_offer_stays_away() -> None:
    assert await Edited(TEXT, HEAD).asked(call_changed(0.9), CALL.removesuffix("\n")) is Quiet.NO_BETTER


async def test_the_first_window_that_becomes_another_is_the_last_one_asked_for() -> None:
    text = FILLER + TEXT.replace("\n\n\ndef load", f"\n\n\n{FILLER.replace('value', 'other')}\n\ndef load")
    worker = call_changed(0.9)
    assert isinstance(await Edited(text + "print(fetch(1, 2))\n" * 2, HEAD).asked(worker), Found)
    assert [OLD_CALL in question.lines for question in worker.windows] == [False, True]


@pytest.mark.parametrize(
    "line",
    [
        "    profile = fetch(client, user_id\n",  # an error
        '    profile = fetch(client, user_id, "AKIAQ3EGRFJ6BKHU7T5N")\n',  # a secret
        "    # profile = fetch(client, user_id)\n",
    ],
)
async def test_what_something_speaks_against_is_not_offered_however_probable(line: str) -> None:
    assert await Edited(TEXT, HEAD).asked(call_changed(0.99, line)) is Quiet.NO_BETTER


async def test_another_document_that_uses_what_the_edit_defines_is_asked_for_last() -> None:
    other = Other("file:///main.py", "from users import fetch\n\n\ndef main(client):\n    return fetch(client, 1)\n")

    def told(question: DiffQuestion) -> LineEdit | None:
        if not question.elsewhere:
            return None
        at = question.lines.index("    return fetch(client, 1)\n")
        return LineEdit(at, at + 1, ("    return fetch(client, 1, timeout)\n",), 0.9)

    worker = EditsWorker(told)
    found = await Edited(TEXT, HEAD).asked(worker, others=[other])
    assert isinstance(found, Found) and found.uri == other.uri
    assert [bool(question.elsewhere) for question in worker.windows[:-1]] == [False] * (len(worker.windows) - 1)


async def test_strings_may_change_alone() -> None:
    edited = Edited('A = "https://a.example/v1/get"\nB = "https://a.example/v1/put"\n', ("v1/get", "v2/get"))

    def told(question: DiffQuestion) -> LineEdit:
        return LineEdit(0, 1, ('B = "https://a.example/v2/put"\n',), 0.9)

    assert isinstance(await edited.asked(EditsWorker(told)), Found)


async def test_after_white_space_and_comments_nobody_is_asked() -> None:
    worker = call_changed(0.9)
    assert await Edited(TEXT, ("\n\n\n", "\n\n\n\n")).asked(worker) is Quiet.NO_EDIT
    assert await Edited(TEXT, ("client.get(user_id)", "client.get(user_id)  # here")).asked(worker) is Quiet.NO_EDIT
    assert worker.windows == []
