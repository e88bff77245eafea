"""The line that the user is still writing: when it is asked for, with what, and what may become of it. No model."""

from __future__ import annotations

import pytest
from edits_worker import DiffWorker

from lacuna.engine.diff_api import DiffQuestion, LineChange, Unfinished
from lacuna.lsp_server.config import DEFAULTS
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Edit, Position, Text
from lacuna.lsp_server.edits.next_edit.change import change_of
from lacuna.lsp_server.edits.next_edit.diff_search import found, speaks_against
from lacuna.lsp_server.edits.next_edit.diff_windows import DiffWindow
from lacuna.lsp_server.edits.next_edit.offers import Offer, Quiet
from lacuna.lsp_server.edits.next_edit.own_line import FAR, own_line, worth_it
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdits
from lacuna.lsp_server.edits.next_edit.site import Version
from lacuna.lsp_server.edits.suggestions import EditSuggestions
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
    closed = '    logger.info(print(f"copied to {target}"))\n'
    assert question.unfinished == Unfinished("    logger.info(", ('    print(f"copied to {target}")\n',), closed)
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


@pytest.mark.parametrize(
    ("text", "edit", "closed"),
    [
        ("if a > b:\n    pass\n", ("a >", "(|a >"), "if (a > b):\n"),
        ("x = {1: b, 2: c}\n", ("b,", "f([|b,"), "x = {1: f([b, 2: c]}\n"),  # which is no better
        ("x = [b]\n", ("[b", "f(|[b"), "x = f([b])\n"),
        ("x = (\n    a,\n    b,\n)\n", ("b,", "f(|b,"), "    f(b),\n"),
        ("x = b\n", ("b", "'|b"), ""),  # a quote is open
        ("x = b\n", ("x =", "with |x ="), ""),  # and here no bracket
    ],
)
def test_what_is_open_is_closed_before_the_signs_that_end_the_line(
    text: str, edit: tuple[str, str], closed: str
) -> None:
    window = Edited(text, edit).window
    assert window is not None and window.question.unfinished is not None
    assert window.question.unfinished.closed in (closed, "") and (not window.question.unfinished.closed) == (
        not closed or "[b, 2" in closed
    )


LARGER = "def larger(a, b):\n    if a > b:\n        return a\n    return max(b, 0)\n"


@pytest.mark.parametrize(
    ("text", "edit", "written", "invents"),
    [
        (LARGER, ("a >", "(|a >"), "    if (a > b) or (a == b):\n", True),  # operators of its own
        (LARGER, ("a >", "(|a >"), "    if (a >= b):\n", True),
        (LARGER, ("a >", "(|a >"), "    if (a > b and a):\n", True),  # and a keyword
        (LARGER, ("a >", "(|a >"), "    if (a > b), a:\n", True),  # words behind what was closed
        (LARGER, ("a >", "round(|a >"), "    if round(a, 3) > b:\n", True),  # a number that stands nowhere
        (LARGER, ("a >", "max(|a >"), "    if max(a, 0) > b:\n", False),  # one that stands near
        (LARGER, ("a >", "max(|a >"), "    if max(a, b) > b:\n", False),
        (LARGER, ("a >", "not (|a >"), "    if not (a) > b:\n", False),
        (COPY, WRAPPED, '    logger.info("copied to", target)\n', False),
        (COPY, WRAPPED, '    logger.info("done", target)\n', True),
    ],
)
def test_what_brings_words_of_its_own_must_be_likelier_by_far_than_what_only_closes(
    text: str, edit: tuple[str, str], written: str, invents: bool
) -> None:
    window = Edited(text, edit).window
    assert window is not None and window.question.unfinished is not None
    closed = LineChange(0, 1, (window.question.unfinished.closed,), 9.0, 0.0)
    as_likely, by_far = (LineChange(0, 1, (written,), gain, 9.0) for gain in (9.0, 9.0 + FAR))
    assert worth_it("python", window, [as_likely, closed]) == ([closed] if invents else [as_likely, closed])
    assert worth_it("python", window, [by_far, closed]) == [by_far, closed]
    assert worth_it("python", window, [by_far]) == [by_far], "nothing is to be closed, or not likely"
    hardly = LineChange(0, 1, (written,), FAR - 1.0, 9.0)
    assert worth_it("python", window, [hardly]) == ([] if invents else [hardly])


def test_an_edit_s_own_words_are_not_invented() -> None:
    first = ('print(f"copying {source}")', 'log(|"copying", source or "done")')
    window = Edited(COPY, first, ('print(f"copied', 'log(|print(f"copied')).window
    assert window is not None
    written = LineChange(0, 1, ('    log("copied", target or "done")\n',), 4.0, 0.0)
    assert worth_it("python", window, [written]) == [written]


def test_a_secret_that_the_user_takes_away_does_not_come_back() -> None:
    secret = "hunter2-Xq9z" + "Lr4TvBq8"
    text = f'DB_PASSWORD = "{secret}"\ndb = connect(read("db"), DB_PASSWORD)\n'
    edited = Edited(text, (f'"{secret}"', "os.environ|"), ("read(", "parse(|read("))
    assert edited.window is not None
    assert edited.offered(f'db = connect(parse(read("db"), DB_PASSWORD, "{secret}"))\n')[0] is Quiet.SECRET


@pytest.mark.parametrize("is_sure", [True, False])
async def test_the_line_comes_before_all_that_follows_from_it(is_sure: bool) -> None:
    line = '    logger.info("copied to %s", target)\n' if is_sure else "    logger.info(1)\n"
    worker = DiffWorker(lambda question: LineChange(0, 1, (line,), 9.0, 9.0) if question.unfinished else None)
    documents = DocumentStore()
    edits = EditSuggestions(documents, Setup.of(DEFAULTS, worker))
    documents.open(URI, "python", 1, COPY)
    edits.notice()
    documents.change(URI, 2, [Edit(Position(6, 4), Position(6, 4), "logger.info(")])
    edits.notice()
    offer = await edits.next_edit(URI, Position(6, 16))
    assert isinstance(offer, Offer) is is_sure
    first, *others = worker.asked
    assert isinstance(first, DiffQuestion) and first.unfinished is not None
    assert any(isinstance(one, DiffQuestion) and one.unfinished is None for one in others) is not is_sure
