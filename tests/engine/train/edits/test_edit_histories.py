"""From two releases of a file to windows and what should become of them. No model."""

from __future__ import annotations

import random

import pytest

from lacuna.engine.diff_api import WINDOW_LINES
from lacuna.engine.text.lines import lines_of
from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.edits import histories
from lacuna.engine.train.edits.histories import Histories
from lacuna.engine.train.edits.hunks import MOST_WORDS, Hunk, changed_words, follows, hunks
from lacuna.engine.train.edits.lesson_windows import Lesson

BEFORE = """\
import json

DEFAULT = 3


def fetch(client, user_id):
    return client.get(user_id)


def load(client, user_id):
    profile = fetch(client, user_id)
    return json.loads(profile)


def store(client, profile):
    client.put(json.dumps(profile))


def copy(client, user_id, target):
    target.put(fetch(client, user_id))
    return target


def area(width, height):
    return width * height


def volume(width, height, depth):
    return area(width, height) * depth
"""
AFTER = (
    BEFORE.replace("def fetch(client, user_id):", "def fetch(client, user_id, timeout):")
    .replace("profile = fetch(client, user_id)", "profile = fetch(client, user_id, timeout)")
    .replace("target.put(fetch(client, user_id))", "target.put(fetch(client, user_id, timeout))")
    .replace("DEFAULT = 3", "DEFAULT = 4")
)
OTHER = "from users import fetch\n\n\ndef main(client):\n    print(fetch(client, 1))\n" + "# the end\n" * 20


def changed(before: str, after: str, path: str = "users.py") -> ChangedFile:
    return ChangedFile("users", "1.0", "1.1", "MIT", "python", path, before, after)


@pytest.fixture(autouse=True)
def real_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MADE_UP", 0.0)
    monkeypatch.setattr(histories, "ANY", 0.0)


def lessons(*files: ChangedFile, count: int = 60) -> list[Lesson]:
    read = Histories(files, 0)
    return [lesson for number in range(count) for lesson in read.history(number)]


@pytest.mark.parametrize("seed", range(20))
def test_hunks_make_the_newer_text_of_the_older_one(seed: int) -> None:
    chance = random.Random(seed)
    before = [f"line {chance.randrange(8)}\n" for _ in range(30)]
    after = [line for line in before if chance.random() > 0.2]
    for _ in range(5):
        after.insert(chance.randrange(len(after)), f"new {chance.randrange(3)}\n")
    made, read = list[str](), 0
    for hunk in hunks(before, after):
        assert hunk.start >= read and (hunk.lines or hunk.end > hunk.start)
        made += [*before[read : hunk.start], *hunk.lines]
        read = hunk.end
    assert made + before[read:] == after


def test_the_last_line_has_a_line_end_too() -> None:
    assert lines_of("a\n\nb") == lines_of("a\n\nb\n") == ["a\n", "\n", "b\n"]
    assert lines_of("") == [] and hunks(["a\n"], ["b\n"]) == [Hunk(0, 1, ("b\n",))]


def test_a_change_follows_from_another_that_changes_the_same_word_and_knows_all_that_comes() -> None:
    head = changed_words(["def fetch(client):\n"], ["def fetch(client, timeout):\n"])
    call = changed_words(["x = fetch(client)\n"], ["x = fetch(client, timeout)\n"])
    assert (head.come, head.gone) == (frozenset({"timeout"}), frozenset())
    assert follows(call, head, {"timeout"})
    assert not follows(call, head, ()), "a word that stands nowhere cannot be foreseen"
    other = changed_words(["x = 1\n"], ["x = None\n"])
    assert not follows(other, head, {"None"}) and not follows(other, other, {"None"}), "a word that any two share"
    gone = changed_words(["print(depth, width)\n"], ["print(width)\n"])
    assert follows(gone, gone, ()) and not follows(gone, head, ())
    long = changed_words([], [f"timeout {' '.join(f'word{at}' for at in range(MOST_WORDS))}\n"])
    assert not follows(long, head, long.come), "too much changes"


def test_what_is_wanted_is_what_the_release_has() -> None:
    found = [lesson for lesson in lessons(changed(BEFORE, AFTER)) if lesson.wanted is not None]
    assert found
    after = lines_of(AFTER)
    for lesson in found:
        question, wanted = lesson.question, lesson.wanted
        assert wanted is not None and len(question.lines) <= WINDOW_LINES
        assert 0 < len(wanted.lines) <= WINDOW_LINES and wanted.end <= len(question.lines)
        assert "timeout" in wanted.lines[0] and "timeout" in wanted.lines[-1], "DEFAULT follows from nothing"
        assert "timeout" in "".join(question.hunks[-1].added), "the last hunk speaks for it"
        first = question.line - 1 + len(question.above)
        assert after[first + wanted.start : first + wanted.start + len(wanted.lines)] == list(wanted.lines)


def test_hunks_and_windows_stand_as_the_file_is_when_the_hunks_are_made() -> None:
    for lesson in lessons(changed(BEFORE, AFTER)):
        question = lesson.question
        now = lines_of(BEFORE)
        for hunk in sorted(question.hunks, key=lambda hunk: hunk.line):
            at = hunk.line - 1 + len(hunk.above)
            assert now[at : at + len(hunk.removed)] == list(hunk.removed)
            now[at : at + len(hunk.removed)] = hunk.added
        first = question.line - 1
        if lesson.wanted is not None:
            assert now[first : first + len(question.above)] == list(question.above)
            shown = now[first + len(question.above) :][: len(question.lines)]
            assert shown == list(question.lines)


def test_where_nothing_is_wanted_the_release_changes_nothing() -> None:
    after, seen = lines_of(AFTER), 0
    for lesson in lessons(changed(BEFORE, AFTER)):
        if lesson.wanted is None:
            first = lesson.question.line - 1 + len(lesson.question.above)
            assert after[first : first + len(lesson.question.lines)] == list(lesson.question.lines)
            seen += 1
    assert seen > 10


def test_uses_in_another_file_follow_too_and_stand_under_its_path() -> None:
    use = changed(OTHER, OTHER.replace("(client, 1)", "(client, 1, timeout)"), "main.py")
    definition = changed(BEFORE, BEFORE.replace("def fetch(client, user_id):", "def fetch(client, user_id, timeout):"))
    found = lessons(definition, use)
    elsewhere = [lesson for lesson in found if lesson.question.elsewhere]
    assert any(lesson.wanted is not None for lesson in elsewhere)
    paths = {"users.py", "main.py"}
    assert all({lesson.question.path, lesson.question.elsewhere} == paths for lesson in elsewhere)


def test_a_number_says_which_history_it_is() -> None:
    one, other = (Histories([changed(BEFORE, AFTER)], 0) for _ in range(2))
    assert [one.history(number) for number in range(20)] == [other.history(number) for number in range(20)]
    assert len({str(one.history(number)) for number in range(20)}) > 5


def test_all_that_can_be_foreseen_in_a_window_is_wanted() -> None:
    near = BEFORE.replace("def copy(client, user_id, target):", "def copy(client, user_id, target):\n    x = 1")
    near = near.replace("    x = 1\n", "    fetch(client, user_id)\n    x = 1\n")
    after = near.replace("fetch(client, user_id)", "fetch(client, user_id, timeout)")
    both = [
        lesson.wanted for lesson in lessons(changed(near, after)) if lesson.wanted and len(lesson.wanted.lines) == 3
    ]
    assert both, "two lines with one between them"
    for wanted in both:
        lines = (
            "    fetch(client, user_id, timeout)\n",
            "    x = 1\n",
            "    target.put(fetch(client, user_id, timeout))\n",
        )
        assert wanted.lines == lines and wanted.end - wanted.start == 3


@pytest.mark.parametrize("seed", range(5))
def test_after_any_hunk_nothing_is_wanted_where_the_release_changes_nothing(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "ANY", 1.0)
    after, told = lines_of(AFTER), set[str]()
    read = Histories([changed(BEFORE, AFTER)], seed)
    for lesson in [lesson for number in range(30) for lesson in read.history(number)]:
        question = lesson.question
        assert lesson.wanted is None
        told.add("".join(question.hunks[-1].added))
        first = question.line - 1 + len(question.above)
        assert after[first : first + len(question.lines)] == list(question.lines)
    assert "DEFAULT = 4\n" in told, "which says nothing of others"
    assert len(told) == 4, "each of the hunks"


def test_what_says_nothing_is_no_history() -> None:
    with pytest.raises(ValueError, match="nothing to learn"):
        Histories([changed(BEFORE, BEFORE.replace("DEFAULT = 3", "DEFAULT = 4"))], 0)
