"""Edits that nobody made: names that come, go and change, and forms. No model."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys

import pytest

from lacuna.engine.text.lines import lines_of
from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.edits import edited_file, histories
from lacuna.engine.train.edits.edited_file import EditedFile
from lacuna.engine.train.edits.histories import Histories
from lacuna.engine.train.edits.made_up.forms_changed import LEAST, MOST, with_a_form_changed
from lacuna.engine.train.edits.made_up.names_introduced import without_a_name
from lacuna.engine.train.edits.made_up.renames import renamed

SESSION = """\
import json
from store import Disk


class Session:
    def __init__(self, client, timeout):
        self.client = client
        self.timeout = timeout

    def fetch(self, user, retries):
        reply = self.client.get(user, timeout=self.timeout)
        if reply.status == 429:
            return self.fetch(user, retries - 1)
        return json.loads(reply.text)

    def close(self):
        self.client.close()


def load(client, disk):
    session = Session(client, 10)
    for user in disk.users():
        disk.put(user, session.fetch(user, 3))
    session.close()
"""
LINES = lines_of(SESSION)


def changed(before: str, after: str) -> ChangedFile:
    return ChangedFile("session", "1.0", "1.1", "MIT", "python", "session.py", before, after)


@pytest.mark.parametrize("seed", range(20))
def test_a_name_becomes_another_at_all_of_its_places(seed: int) -> None:
    after = renamed(LINES, random.Random(seed))
    if after is None:  # the name that was drawn is there already
        return
    pairs = [(one, other) for one, other in zip(LINES, after, strict=True) if one != other]
    assert len(pairs) >= 2
    [(old, new)] = {
        (old, new)
        for one, other in pairs
        for old, new in zip(re.findall(r"\w+", one), re.findall(r"\w+", other), strict=True)
        if old != new
    }
    assert re.sub(rf"\b{old}\b", new, SESSION) == "".join(after)


@pytest.mark.parametrize("seed", range(40))
def test_without_a_name_a_file_still_parses_and_has_it_nowhere(seed: int) -> None:
    after = without_a_name(LINES, random.Random(seed))
    assert after is not None
    text = "".join(after)
    compile(text, "session.py", "exec")
    gone = set(re.findall(r"\w+", SESSION)) - set(re.findall(r"\w+", text))
    places = {name: [at for at, line in enumerate(LINES) if re.search(rf"\b{name}\b", line)] for name in gone}
    assert any(len(at) >= 2 for at in places.values())


def test_a_name_goes_with_its_lines_its_blocks_and_its_entries() -> None:
    found = {"".join(after) for seed in range(200) if (after := without_a_name(LINES, random.Random(seed)))}
    without_timeout = SESSION.replace("(self, client, timeout)", "(self, client)")
    without_timeout = without_timeout.replace("        self.timeout = timeout\n", "")
    without_timeout = without_timeout.replace("(user, timeout=self.timeout)", "(user)")
    assert without_timeout in found


@pytest.mark.parametrize(
    "text",
    [
        "def f(width):\n    return width\n\n\nx = f(1)\n",  # the only argument, and a block that would be empty
        "total = (price +\n    price * tax)\nprint(total, tax)\n",  # in the middle of what goes on
        "if size:\n    a = 1\nelse:\n    a = size\nprint(a)\n",  # a block that another one goes on with
        "# price and price\n# the price\n",
    ],
)
def test_a_name_that_something_else_hangs_on_stays(text: str) -> None:
    for seed in range(20):
        assert without_a_name(lines_of(text), random.Random(seed)) is None


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_a_form_changes_on_some_lines_and_no_other_does(language: str) -> None:
    seen = set()
    for seed in range(100):
        after = with_a_form_changed(LINES, language, random.Random(seed))
        if after is not None:
            differ = [(one, other) for one, other in zip(LINES, after, strict=True) if one != other]
            assert LEAST <= len(differ) <= MOST
            assert not any(one.startswith(("import", "from")) for one, _ in differ)
            seen.add("".join(after))
    assert len(seen) > 10
    assert any("?." in text or " ?? " in text for text in seen) == (language == "typescript")


@pytest.mark.parametrize("change", [renamed, without_a_name])
def test_a_file_without_names_is_left(change: object) -> None:
    for lines in ([], ["\n"], ["{}\n"] * 5):
        assert callable(change) and change(lines, random.Random(0)) is None
        assert with_a_form_changed(lines, "json", random.Random(0)) is None


def test_made_up_edits_are_histories_of_their_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MADE_UP", 1.0)
    monkeypatch.setattr(histories, "ANY", 0.0)
    read = Histories([changed(SESSION, SESSION.replace("retries", "attempts"))], 0)
    lessons = [lesson for number in range(40) for lesson in read.history(number)]
    wanted = {lesson.wanted.lines for lesson in lessons if lesson.wanted is not None}
    assert len(wanted) > 10 and sum(lesson.wanted is None for lesson in lessons) > 10
    assert not all("attempts" in "".join(lines) for lines in wanted)


def test_a_history_is_the_same_in_every_process() -> None:
    """A run that resumes reads what it would have read: nothing may hang on the order of a set."""
    code = (
        "import random, sys; from lacuna.engine.text.lines import lines_of\n"
        "from lacuna.engine.train.edits.made_up.names_introduced import without_a_name\n"
        "from lacuna.engine.train.edits.made_up.renames import renamed\n"
        "lines = lines_of(sys.stdin.read())\n"
        "print([change(lines, random.Random(seed)) for seed in range(20) for change in (renamed, without_a_name)])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            input=SESSION,
            text=True,
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1] and len(said[0]) > 1000


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_name_comes_where_the_file_without_it_is_the_older_one(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr(edited_file, "RENAMED", 0.0)
    monkeypatch.setattr(edited_file, "INTRODUCED", 1.0)
    monkeypatch.setattr(edited_file, "NAMES_COME", share)
    made_up = EditedFile(changed(SESSION, SESSION)).made_up(random.Random(0))
    assert made_up is not None
    assert (made_up.lines == LINES) == (share == 0.0)
