"""From recent edits to hunks and windows, and from a changed line to an offer. No model."""

from __future__ import annotations

import pytest

from lacuna.engine.diff_api import ABOVE_HUNK, LineChange
from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.edits.next_edit.change import Change, change_of
from lacuna.lsp_server.edits.next_edit.diff_search import found, speaks_against
from lacuna.lsp_server.edits.next_edit.diff_windows import LINES, WINDOWS, DiffWindow, diff_windows
from lacuna.lsp_server.edits.next_edit.objections import changes_only_prose
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdits
from lacuna.lsp_server.edits.next_edit.site import Version

URI = "file:///registry.py"
REGISTRY = """\
import os


class Registry:
    def __init__(self):
        self.handlers = []

    def register(self, name, handler):
        self.handlers.append((name, handler))

    def names(self):
        return sorted(self.handlers)
"""


class Edited:
    """A document in which edits were made one after the other, and what is asked of it."""

    def __init__(self, text: str, *replacements: tuple[str, str]) -> None:
        recent = RecentEdits()
        recent.notice(URI, Text(text))
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
            recent.notice(URI, Text(text))
        self.text, self.recent = text, recent.of(URI)
        change = change_of(self.recent[0], text)
        assert change is not None
        self.change: Change = change
        self.version = Version(URI, text, "python", self.recent[0], tuple((e.start, e.end) for e in self.recent))

    def windows(self) -> list[DiffWindow]:
        return list(diff_windows("registry.py", self.version, self.recent, self.change))

    def offered(self, start: int, end: int, *lines: str) -> tuple[Quiet | None, str]:
        """What speaks against a change of the first window's lines, and the text with it."""
        window, change = self.windows()[0], LineChange(start, end, lines, 9.0, 9.0)
        one = found(window, change)
        text = self.text[: one.start] + one.text + self.text[one.end :]
        return speaks_against("python", self.change, window, change), text


LIST_TO_DICT = Edited(REGISTRY, ("self.handlers = []", "self.handlers = {}"))


def test_an_edit_is_a_hunk_of_its_lines_and_the_window_below_it_is_the_first() -> None:
    question = LIST_TO_DICT.windows()[0].question
    (hunk,) = question.hunks
    assert (hunk.removed, hunk.added) == (("        self.handlers = []\n",), ("        self.handlers = {}\n",))
    assert hunk.above == ("\n", "class Registry:\n", "    def __init__(self):\n") and len(hunk.above) == ABOVE_HUNK
    assert hunk.line == 3
    lines = LIST_TO_DICT.text.splitlines(keepends=True)
    assert (question.above, question.line, list(question.lines)) == ((), 7, lines[6:16])
    assert question.related == (2, 5), "the lines that say `handlers`"


def test_a_line_that_is_put_between_others_is_all_of_its_hunk() -> None:
    added = Edited(REGISTRY, ("[]\n", "[]\n        self.names = []\n"))
    (hunk,) = added.windows()[0].question.hunks
    assert (hunk.removed, hunk.added) == ((), ("        self.names = []\n",))


def test_the_line_below_one_that_was_typed_is_the_first_of_the_window() -> None:
    """What stands alike before both lines makes the edit end inside the one below it."""
    typed = Edited(REGISTRY, ("    def register", "    size = 3\n    def register"))
    assert typed.recent[0].new(typed.text) == "size = 3\n    "
    question = typed.windows()[0].question
    assert question.lines[0] == "    def register(self, name, handler):\n"
    assert question.hunks[0].added == ("    size = 3\n",)


def test_no_window_holds_lines_of_the_edit() -> None:
    text = "port = 1\nx = port\ny = port + 1\n" + "z = 0\n" * 20 + "print(port)\n"
    edited = Edited(text, ("y = port + 1", "y = port + 2"))
    assert len(edited.windows()) == 3
    for window in edited.windows():
        assert "y = port + 2\n" not in window.question.lines


def test_nothing_is_asked_where_the_last_edit_is_too_large_to_be_told() -> None:
    large = "".join(f"value_{at} = {at}\n" for at in range(100))
    assert Edited(REGISTRY + "\n\n", ("handlers = []", "handlers = {}"), ("import os\n", large)).windows() == []


def test_hunks_are_told_in_the_order_they_were_made_in() -> None:
    text = REGISTRY + "\n" * 3
    edited = Edited(text, ("sorted(self.handlers)", "sorted(self.known)"), ("self.handlers = []", "self.known = []"))
    hunks = edited.windows()[0].question.hunks
    assert [hunk.added[0].strip() for hunk in hunks] == ["return sorted(self.known)", "self.known = []"]


def test_other_windows_hold_rare_words_that_the_edit_touches() -> None:
    far = REGISTRY + "\n# nothing\n" * 20 + "print(registry.handlers)\n" + "x = 1\n" * 30
    windows = Edited(far, ("self.handlers = []", "self.handlers = {}")).windows()
    assert len(windows) == 2
    assert "print(registry.handlers)\n" in windows[1].question.lines
    many = REGISTRY + "print(registry.handlers)\n" * 30
    assert len(Edited(many, ("self.handlers = []", "self.handlers = {}")).windows()) == 1, "a word that is everywhere"


@pytest.mark.parametrize("ending", ["", "\n"])
def test_windows_are_bounded_and_say_where_their_lines_stand(ending: str) -> None:
    text = REGISTRY + "".join(f"value_{at} = handlers_{at}\n" for at in range(100)) + "last = 1" + ending
    edited = Edited(text, ("self.handlers = []", "self.handlers = {}"))
    windows = edited.windows()
    assert len(windows) <= WINDOWS
    for window in windows:
        assert 0 < len(window.question.lines) <= LINES
        for at, line in enumerate(window.question.lines):
            start, end = window.span(at, at + 1)
            assert f"{edited.text}\n"[start:end] == line


def test_a_line_that_is_data_ends_a_window() -> None:
    edited = Edited(REGISTRY + "x = '" + "y" * 5000 + "'\n", ("sorted(self.handlers)", "sorted(self.known)"))
    assert all(len(line) < 400 for window in edited.windows() for line in window.question.lines)


def test_what_is_offered_replaces_lines() -> None:
    against, text = LIST_TO_DICT.offered(2, 3, "        self.handlers[name] = handler\n")
    assert against is None
    assert text == REGISTRY.replace("= []", "= {}").replace(".append((name, handler))", "[name] = handler")


@pytest.mark.parametrize(
    ("line", "new", "is_offered"),
    [
        ("print(kind in (3, 4))\n", "print(kind in (3, 4, 5))\n", False),
        ("print(kind in (3, 4))\n", "print(kind in (3, 4, 6))\n", True),  # the model's own
        ("print(kind in (1, 2))\n", "print(kind in (1, 2, 5))\n", True),
        ("print(kind(1, 'a'))\n", "print(kind(1, 'a', 5))\n", True),
        ("print([3, 4], (1, 2))\n", "print([3, 4], (1, 2, 5))\n", True),
        ("print([3, 4], (1, 2))\n", "print([3, 4, 5], (1, 2))\n", False),
    ],
)
def test_a_value_among_others_of_its_kind_is_not_put_among_different_ones(
    line: str, new: str, is_offered: bool
) -> None:
    edited = Edited(f"if a in (1, 2):\n    pass\n{line}", ("2)", "2, 5)"))
    assert (edited.offered(1, 2, new)[0] is None) is is_offered


def test_lines_at_both_ends_that_stay_are_no_part_of_the_offer() -> None:
    window = LIST_TO_DICT.windows()[0]
    both = ("    def register(self, name, handler):\n", "        self.handlers[name] = handler\n")
    one = found(window, LineChange(1, 3, both, 9.0, 9.0))
    assert one.text == both[1]
    assert LIST_TO_DICT.text[one.start : one.end] == "        self.handlers.append((name, handler))\n"


def test_lines_that_come_before_another_one_are_told_from_it() -> None:
    window = LIST_TO_DICT.windows()[0]
    one = found(window, LineChange(4, 4, ("    @property\n",), 9.0, 9.0))
    assert (one.start, one.text) == (one.end, "    @property\n")
    assert (one.line, one.new_line) == ("    def names(self):", "    @property\n    def names(self):")


def test_a_line_before_a_blank_one_is_told_from_the_next_that_is_not() -> None:
    one = found(LIST_TO_DICT.windows()[0], LineChange(3, 3, ("        return self\n",), 9.0, 9.0))
    assert one.line == "\n    def names(self):"
    assert one.new_line == "        return self\n\n    def names(self):"


def test_a_secret_that_the_user_takes_away_does_not_come_back() -> None:
    secret = "hunter2-Xq9z" + "Lr4TvBq8"
    text = f'import os\nDB_PASSWORD = "{secret}"\n\ndb = connect("db", "")\n'
    edited = Edited(text, (f'"{secret}"', 'os.environ["DB_PASSWORD"]'))
    against, _ = edited.offered(1, 2, f'db = connect("db", "{secret}", 1)\n')
    assert against is Quiet.SECRET


@pytest.mark.parametrize(
    ("start", "end", "lines"),
    [
        (2, 3, ()),  # a line that goes for nothing
        (2, 3, ("        self.handlers.append( (name, handler) )\n",)),  # the same
        (2, 3, ("        self.handlers = {}\n",)),  # what the user has just written
        (4, 4, ("    def register(self, name, handler):\n",)),  # what stands in the window
        (2, 3, ("        self.handlers.append((name, handler)\n",)),  # an error more
        (2, 3, ("        # self.handlers.append((name, handler))\n",)),  # only a comment left
        (1, 3, ("    def register(self, name, handler): self.handlers[name] = handler\n",)),  # fewer lines
        (2, 3, ("        pass\n",)),  # nothing of what stands there
        (2, 2, ("    def names(self):\n",)),  # what stands two lines below
    ],
)
def test_what_should_not_be_offered(start: int, end: int, lines: tuple[str, ...]) -> None:
    against, _ = LIST_TO_DICT.offered(start, end, *lines)
    assert against is not None


def test_a_document_without_a_last_line_end_gets_none() -> None:
    edited = Edited(REGISTRY.rstrip("\n"), ("self.handlers = []", "self.handlers = {}"))
    against, text = edited.offered(5, 6, "        return list(self.handlers)\n")
    assert against is None
    assert text.endswith("return list(self.handlers)")
    one = found(edited.windows()[0], LineChange(5, 6, ("        return 1\n",), 9.0, 9.0))
    assert one.end == len(edited.text), "inside the document"


@pytest.mark.parametrize(
    ("old", "new", "only"),
    [
        ('print("saved")', 'print("stored")', True),
        ("x = 1  # one", "x = 1  # the first", True),
        ('print(f"saved {path}")', 'print(f"saved {name}")', False),
        ('print("saved")', 'log("saved")', False),
    ],
)
def test_what_changes_nothing_but_prose(old: str, new: str, only: bool) -> None:
    text = f"import os\n{old}\nprint(1)\n"
    assert changes_only_prose(text, 10, 10 + len(old), new, "python") is only
