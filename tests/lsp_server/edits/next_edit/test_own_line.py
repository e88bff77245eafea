"""The line that the user is still writing: when it is asked for, with what, and what may become of it. No model."""

from __future__ import annotations

import math

import pytest

from lacuna.engine.api import Passage, Patch, Patched, Surprise
from lacuna.engine.diff_api import DiffQuestion, LineChange, Unfinished
from lacuna.lsp_server.config import DEFAULTS
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Edit, Position, Text
from lacuna.lsp_server.edits.next_edit.change import change_of
from lacuna.lsp_server.edits.next_edit.diff_search import found, speaks_against
from lacuna.lsp_server.edits.next_edit.diff_windows import DiffWindow
from lacuna.lsp_server.edits.next_edit.offers import Offer, Quiet
from lacuna.lsp_server.edits.next_edit.own_line import own_line
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdits
from lacuna.lsp_server.edits.next_edit.site import Version
from lacuna.lsp_server.edits.suggestions import EditSuggestions
from lacuna.lsp_server.model.engine_thread import EngineThread
from lacuna.lsp_server.model.loading import load
from lacuna.lsp_server.model.worker import Phase, Worker
from lacuna.lsp_server.setup import Setup

URI = "untitled:copy.py"
COPY = """\
import shutil


def copy_tree(source, target):
    print(f"copying {source}")
    shutil.copytree(source, target)
    print(f"copied to {target}")
"""


class Edited:
    """A document in which `|` was put instead of some text, one edit after the other: the cursor is at the last."""

    def __init__(self, text: str, *replacements: tuple[str, str], language: str = "python") -> None:
        recent = RecentEdits()
        recent.notice(URI, Text(text))
        for old, new in replacements:
            assert text.count(old) == 1 and new.count("|") == 1
            self.cursor = text.index(old) + new.index("|")
            text = text.replace(old, new.replace("|", ""))
            recent.notice(URI, Text(text))
        self.text, self.recent = text, recent.of(URI)
        self.version = Version(URI, text, language, self.recent[0], tuple((e.start, e.end) for e in self.recent))

    @property
    def window(self) -> DiffWindow | None:
        return own_line("copy.py", self.version, self.recent, self.cursor)

    def offered(self, line: str) -> tuple[Quiet | None, str]:
        """What speaks against a line in place of the cursor's, and the text with it."""
        window, change = self.window, change_of(self.recent[0], self.text)
        assert window is not None and change is not None
        offered = LineChange(0, 1, (line,), 9.0, 9.0)
        one = found(window, offered)
        return speaks_against(self.version.language, change, window, offered), (
            self.text[: one.start] + one.text + self.text[one.end :]
        )


WRAPPED = ('print(f"copied', 'logger.info(|print(f"copied')


def test_a_line_whose_rest_no_longer_fits_is_asked_for() -> None:
    edited = Edited(COPY, ('print(f"copying {source}")', 'logger.info("copying %s", source)|'), WRAPPED)
    assert edited.window is not None
    question = edited.window.question
    assert question.unfinished == Unfinished("    logger.info(", ('    print(f"copied to {target}")\n',))
    assert question.lines == ('    logger.info(print(f"copied to {target}")\n',)
    assert [hunk.added for hunk in question.hunks] == [('    logger.info("copying %s", source)\n',)], "what was before"
    assert question.above == tuple(edited.text.splitlines(keepends=True)[3:6]) and question.line == 4
    assert edited.text[edited.window.start :].startswith(question.lines[0])


def test_the_lines_below_are_told_and_an_edit_may_be_the_first() -> None:
    edited = Edited(COPY, ('print(f"copying', 'logger.info(|print(f"copying'))
    assert edited.window is not None
    question = edited.window.question
    assert question.hunks == () and question.lines[1] == "    shutil.copytree(source, target)\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("target)\n    print", "target, True|)\n    print"),  # finished
        ("target)\n    print", "target, str(|)\n    print"),  # signs alone stand right of the cursor
        (
            '    print(f"copied to {target}")',
            '    logger.info(|\n    print(f"copied to {target}")',
        ),  # a line of its own
        ('print(f"copied', 'log|ger.info(print(f"copied'),  # the cursor stands in what was typed
        ('print(f"copied', "logger.info(|" + "x" * 300 + 'print(f"copied'),  # data
        ("import shutil", "import os|, shutil"),
    ],
)
def test_other_lines_are_not_asked_for(old: str, new: str) -> None:
    assert Edited(COPY, (old, new)).window is None


def test_without_a_grammar_nobody_knows_what_is_finished() -> None:
    assert Edited(COPY, WRAPPED, language="").window is None
    assert Edited(COPY, WRAPPED).window is not None


def test_the_cursor_s_line_is_the_one_that_was_edited() -> None:
    edited = Edited(COPY, WRAPPED)
    edited.cursor = edited.text.index("shutil.copytree")
    assert edited.window is None


def test_a_bracket_that_the_editor_has_closed_may_go() -> None:
    edited = Edited(COPY, ('print(f"copied', 'logger.info(|)print(f"copied'))
    assert edited.window is not None
    against, text = edited.offered('    logger.info("copied to %s", target)\n')
    assert against is None and text == COPY.replace(
        'print(f"copied to {target}")', 'logger.info("copied to %s", target)'
    )


@pytest.mark.parametrize(
    ("line", "is_offered"),
    [
        ('    logger.info("copied to %s", target)\n', True),
        ('    logger.info(f"copied to {target}")\n', True),
        ('    logger.info("copied to %s", print(f"copied to {target}")\n', False),  # inline completion's, and no better
        ('    logger.info(str(print(f"copied to {target}"))\n', False),  # unfinished as it was
        ('    logger.info("done")\n', False),  # the rest was another statement
        ('    logger.info(f"copied to {target}"\n', False),
    ],
)
def test_what_may_become_of_it(line: str, is_offered: bool) -> None:
    against, _ = Edited(COPY, WRAPPED).offered(line)
    assert (against is None) is is_offered


@pytest.mark.parametrize(
    ("text", "edit", "line", "is_offered"),
    [
        ("print(item.name)\n", ("item", "str(|item"), "print(str(item))\n", False),
        ("print(item.name)\n", ("item", "max(0, |item"), "print(max(0, item.name))\n", True),
        ("title = 'all items'\n", ("'all", "'the '|all"), "title = 'the ' + items[0]\n", False),
        ("names = list(map(upper, words))\n", ("list", "[|list"), "names = [upper(word) for word in words]\n", True),
    ],
)
def test_of_the_rest_names_of_calls_may_go(text: str, edit: tuple[str, str], line: str, is_offered: bool) -> None:
    assert (Edited(text, edit).offered(line)[0] is None) is is_offered


def test_what_only_has_to_be_put_in_is_left_to_inline_completion() -> None:
    edited = Edited("values = [width, height]\n", ("height]", "min(|height]"))
    assert edited.window is not None
    assert edited.offered("values = [width, min(1), height]\n")[0] is Quiet.NO_BETTER
    assert edited.offered("values = [width, min(height, 1)]\n")[0] is None


def test_a_secret_that_the_user_takes_away_does_not_come_back() -> None:
    secret = "hunter2-Xq9z" + "Lr4TvBq8"
    text = f'DB_PASSWORD = "{secret}"\ndb = connect(read("db"), DB_PASSWORD)\n'
    edited = Edited(text, (f'"{secret}"', "os.environ|"), ("read(", "parse(|read("))
    assert edited.window is not None
    assert edited.offered(f'db = connect(parse(read("db"), DB_PASSWORD, "{secret}"))\n')[0] is Quiet.SECRET


class Asked(Worker):
    """Says in which order it is asked, and goes on with an unfinished line."""

    def __init__(self) -> None:
        super().__init__(EngineThread(), None, load)
        self.phase, self.is_in_fim_layout = Phase.READY, True
        self.asked: list[str] = []
        self.line = '    logger.info("copied to %s", target)\n'

    async def surprises(self, passage: Passage, deadline: float = math.inf) -> tuple[Surprise, ...]:
        return ()

    async def patch(self, patch: Patch, deadline: float = math.inf) -> Patched:
        self.asked.append("place")
        return Patched((), 1, 1)

    async def continue_diff(self, question: DiffQuestion, deadline: float) -> tuple[LineChange, ...]:
        self.asked.append("own line" if question.unfinished else "window")
        return (LineChange(0, 1, (self.line,), 9.0, 9.0),) if question.unfinished else ()


@pytest.mark.parametrize("is_sure", [True, False])
async def test_the_line_comes_before_all_that_follows_from_it(is_sure: bool) -> None:
    documents, worker = DocumentStore(), Asked()
    edits = EditSuggestions(documents, Setup.of(DEFAULTS, worker))
    documents.open(URI, "python", 1, COPY)
    edits.notice()
    documents.change(URI, 2, [Edit(Position(6, 4), Position(6, 4), "logger.info(")])
    edits.notice()
    worker.line = worker.line if is_sure else "    logger.info(1)\n"
    offer = await edits.next_edit(URI, Position(6, 16))
    assert worker.asked[0] == "own line"
    assert isinstance(offer, Offer) is is_sure
    assert worker.asked == ["own line"] if is_sure else "window" in worker.asked
