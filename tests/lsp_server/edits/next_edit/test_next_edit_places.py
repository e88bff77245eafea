"""From the keys of a user to places that may have to follow: recent edits, changes, related places. No model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacuna.engine.text.languages import Kind
from lacuna.engine.text.syntax import spans
from lacuna.lsp_server.documents.plain_text import plain
from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.edits.next_edit import objections
from lacuna.lsp_server.edits.next_edit.argument_lists import MOST
from lacuna.lsp_server.edits.next_edit.change import change_of
from lacuna.lsp_server.edits.next_edit.objections import changes_only_comments, objection
from lacuna.lsp_server.edits.next_edit.recent_edits import PAUSE_SECONDS, RecentEdits, difference
from lacuna.lsp_server.edits.next_edit.related_places import RelatedPlace, Relation, related_places

URI = "untitled:a.py"
MEAN = """\
def mean(values):
    total = 0
    for value in values:
        total += value  # total
    return total / 'total'
"""


def after(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def places(before: str, old: str, new: str, language: str) -> list[RelatedPlace]:
    """The nearest ones, when `old` is edited to `new`."""
    now = after(before, old, new)
    edit = difference(before, now)
    change = edit and change_of(edit, now)
    return related_places(change, now, language, edit.start) if edit and change else []


def check(before: str, old: str, new: str, expected: list[str], language: str = "python") -> None:
    """The nearest places as their first draft would make them, when `old` is edited to `new`."""
    now = after(before, old, new)
    found = []
    for place in places(before, old, new, language):
        line, at = "", place.start
        for (start, end), text in zip(place.holes, place.drafts[0], strict=True):
            line, at = line + now[at:start] + text, end
        found.append((line + now[at : place.end]).strip())
    assert found == expected


def test_a_renamed_name_is_looked_for_in_code_alone() -> None:
    check(MEAN, "total = 0", "amount = 0", ["amount += value  # total", "return amount / 'total'"])


def test_an_attribute_is_no_name() -> None:
    text = "size = 1\nprint(self.size)\nprint(size)\n"
    check(text, "size = 1", "width = 1", ["print(width)"])
    check("a.size = 1\nprint(size)\nprint(b.size)\n", "a.size", "a.width", ["print(b.width)"])


def test_what_a_function_binds_means_nothing_outside_it() -> None:
    functions = "def f(size):\n    return size\n\n\ndef g():\n    size = 1\n    return size\n\n\nprint(size)\n"
    check(functions, "f(size)", "f(width)", ["return width"])
    check(functions, "size = 1", "width = 1", ["return width"])
    check(functions, "print(size)", "print(width)", [])


@pytest.mark.parametrize(
    ("line", "new", "other", "count"),
    [
        ("def total(values):", "def sum_of(values):", "assert total([1, 2]) == 3\n", 1),
        ("def total(values):", "def sum_of(values):", "def total():\n    return 1\n\n\nprint(total())\n", 0),
        ("total = sum(values)", "amount = sum(values)", "assert total([1, 2]) == 3\n", 0),
        ("def total(values):", "def total(values, start):", "assert total([1, 2]) == 3\n", 1),
        ("print(total(a))", "print(total(a, b))", "assert total([1, 2]) == 3\n", 0),
    ],
)
def test_other_documents_follow_definitions_alone(line: str, new: str, other: str, count: int) -> None:
    now = f"{new}\n    pass\n"
    edit = difference(f"{line}\n    pass\n", now)
    assert edit is not None
    change = change_of(edit, now)
    assert change is not None
    assert len(related_places(change, other, "python", 0, own=False)) == count


def test_what_a_function_bound_until_the_user_began_to_rename_it() -> None:
    text = "def f(width):\n    a = size\n    return size\n\n\ndef g():\n    return size\n"
    check(text, "a = size", "a = width", ["return width"])
    letter = "def f(rows):\n    s = 0\n    total += s\n    return s\n"
    check(letter.replace("s = 0", "total = 0"), "total += s", "total += total", ["return total"])


def test_several_on_a_line_are_one_place() -> None:
    check("size = 1\nprint(size + size)\n", "size = 1", "width = 1", ["print(width + width)"])


def test_the_nearest_comes_first() -> None:
    check("f(size)\n" + "\n" * 20 + "size = 1\ng(size)\n", "size = 1", "width = 1", ["g(width)", "f(width)"])


def test_calls_come_before_functions_like_the_one_that_changed() -> None:
    text = "def one(a):\n    pass\n\n\ndef two(a):\n    pass\n\n\none(1)\n"
    check(text, "one(a)", "one(a, b)", ["one(1, b)", "def two(a, b):"])


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        (
            "def f(\n    a: dict[str, int],\n    b: int,\n):\n    pass\n\n\nf(x, y)\n",
            "b: int,",
            "b: int, c,",
            "f(x, y, c)",
        ),
        ("def f(\n    a,\n    b,\n):\n    pass\n\n\nf(x, y)\n", "a,\n    b", "b,\n    a", "f(y, x)"),
        ("def f(a):\n    pass\n\n\nf(\n    x\n)\n", "f(a)", "f(a, b)", "x, b"),
    ],
)
def test_a_list_may_begin_lines_above(text: str, old: str, new: str, expected: str) -> None:
    check(text, old, new, [expected])


def test_a_name_of_one_letter_means_the_same_in_the_function_that_binds_it() -> None:
    text = "def f(n):\n    return n + 1\n\n\ndef g(x):\n    return n\n"
    check(text, "f(n)", "f(number)", ["return number + 1"])
    check("n = 1\nprint(n)\n", "n = 1", "number = 1", [])


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "if a in (1, 2):\n    go()\nif b in (3, 4):\n    stop()\n", set()),
        ("c", "while (1, 2) {\n}\nwhile (3, 4) {\n}\n", set()),
        ("rust", "A::new(1, 2);\nB::new(3, 4);\n", {Relation.LIST}),
    ],
)
def test_words_that_call_nothing_have_no_list(language: str, text: str, expected: set[Relation]) -> None:
    now = after(text, "1, 2", "1, 2, x")
    edit = difference(text, now)
    change = edit and change_of(edit, now)
    assert edit is not None and change is not None
    found = {relation for place in related_places(change, now, language, edit.start) for relation in place.relations}
    assert found - {Relation.SIMILAR_LINE} == expected


@pytest.mark.parametrize(
    ("signature", "new", "call", "expected"),
    [
        ("a, b", "a, b, c", "f(b=1, a=2)", ["f(b=1, a=2, c=c)"]),
        ("a, *rest, b", "a, *rest, c, b", "f(1, 2, b=3)", ["f(1, 2, c=c, b=3)"]),
        ("a, b", "a, c, b", "f(1, b=2)", ["f(1, c, b=2)"]),
        ("a, b", "a, b, c", "f(1, b == 2)", ["f(1, b == 2, c)"]),
        ("a, b", "b, a", "f(a=1, b=2)", []),
        ("a, b", "a", "f(b=1, a=2)", []),
        ("a, b", "a", "f(a=1, b=2)", ["f(a=1)"]),
        ("a, b", "a", "f(1, b=2)", ["f(1)"]),
    ],
)
def test_arguments_that_are_found_by_their_names(signature: str, new: str, call: str, expected: list[str]) -> None:
    check(f"def f({signature}):\n    pass\n\n\n{call}\n", f"def f({signature})", f"def f({new})", expected)


def test_a_call_is_not_like_the_function_s_first_line() -> None:
    text = "def send(message, *, retries=3):\n    pass\n\n\nsend('bye', retries=5)\n"
    [place] = places(text, "*, retries", "*, topic, retries", "python")
    assert place.relations == {Relation.LIST}


def test_a_line_that_was_put_in_is_no_change_of_the_one_beside_it() -> None:
    text = "def f(a):\n    a.delete(1)\n    if a:\n        a.delete(2)\n"
    check(text, "    a.delete(1)", "    log(1)\n    a.delete(1)", [])
    check(text, "a.delete(1)", "a.delete(1, True)", ["a.delete(2, True)"])


def test_short_lines_are_alike_where_they_hold_the_same_name() -> None:
    text = "if ready:\n    a()\nif done:\n    b()\nelif ready:\n    c()\n"
    check(text, "if ready", "if not ready", ["elif not ready:"])


def test_new_lines_before_a_line_are_not_put_before_lines_like_it() -> None:
    text = "def f(a):\n    return call(a)\n\n\ndef g(a):\n    return call(a)\n"
    check(text, "    return call(a)", "    if not a:\n        return None\n    return call(a)", [])


def test_what_was_moved_was_not_renamed() -> None:
    check("swap(first, second)\nprint(first)\n", "first, second", "second, first", [])


def test_of_many_calls_the_nearest_are_looked_at() -> None:
    calls = "".join(f"f({number})\n" for number in range(MOST))
    text = f"{calls}def f(a):\n    pass\n\n\n{calls}"
    now = after(text, "f(a)", "f(a, b)")
    edit = difference(text, now)
    change = edit and change_of(edit, now)
    assert edit is not None and change is not None
    found = related_places(change, now, "python", edit.start)
    assert len(found) == MOST - 1, "one is the edited one"
    assert max(abs(place.start - edit.start) for place in found) < MOST * len("f(100)\n") / 2 + len("    pass\n") * 3


def test_a_receiver_that_changed_places_says_nothing_of_calls() -> None:
    check("class A:\n    def move(self, x):\n        pass\n\n\nA().move(1)\n", "(self, x)", "(x, self)", [])


def test_a_literal_that_became_a_constant() -> None:
    text = "LIMIT = 3600\nif a > 3600:\n    wait(3600)\nprint('3600')\n"
    check(text, "a > 3600", "a > LIMIT", ["wait(LIMIT)"])
    check("a = 'name'\nb = 'name'\n", "a = 'name'", "a = NAME", ["b = NAME"])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("move(x, y)", "move(x, y, z)", ["move(1, 2, z)", "print(move(a, (b, c), z))"]),
        ("move(x, y)", "move(z, x, y)", ["move(z, 1, 2)", "print(move(z, a, (b, c)))"]),
        ("move(x, y)", "move(y, x)", ["move(2, 1)", "print(move((b, c), a))"]),
        ("move(x, y)", "move(y)", ["move(2)", "print(move((b, c)))"]),
        ("move(x, y)", "move(x)", ["move(1)", "print(move(a))"]),
        ("move(x, y)", "move(x, y, z=0)", []),
        ("move(x, y)", "move(x, y, z: int)", ["move(1, 2, z)", "print(move(a, (b, c), z))"]),
    ],
)
def test_calls_follow_a_signature(old: str, new: str, expected: list[str]) -> None:
    check("def move(x, y):\n    pass\n\n\nmove(1, 2)\nmove(1)\nprint(move(a, (b, c)))\n", old, new, expected)


def test_the_object_of_a_method_is_no_argument() -> None:
    text = "class A:\n    def move(self, x):\n        pass\n\n\nA().move(1)\n"
    check(text, "(self, x)", "(self, x, y)", ["A().move(1, y)"])
    check(text, "move(1)", "move(1, b.y)", ["def move(self, x, y):"])


def test_types_before_names() -> None:
    text = "int f(int a) { return a; }\nint main() { return f(3); }\n"
    check(text, "f(int a)", "f(int a, char *name)", ["int main() { return f(3, name); }"], "c")


def test_twin_branches() -> None:
    text = "if user.active and user.count:\n    a()\nelif other.active and other.count:\n    b()\n"
    check(text, "if user.active", "if not user.active", ["elif not other.active and other.count:"])
    check(text, "user.count:", "user.count > 0:", ["elif other.active and other.count > 0:"])
    check("a.open(1, True)\nb.open(1, True)\n", "(1, True)", "(1, False)", ["b.open(1, False)"])


@pytest.mark.parametrize(
    ("line", "old", "new", "other", "expected"),
    [
        ("if a in (1, 2):", "2)", "2, 5)", "if b in (3, 4):", None),
        ("if a in (1, 2):", "2)", "2, 5)", "if b in (1, 2):", "if b in (1, 2, 5):"),
        ("if a in (1, 2):", "(1", "(5, 1", "if b in (3, 4):", None),
        ("kinds = ['a', 'b']", "'b'", "'b', 'c'", "names = ['x', 'y']", None),
        ("kinds = {A, B, C}", "C", "C, D", "names = {X, Y, Z}", None),
        ("kinds = [A, B, C]", "C", "C, D", "names = [A, B, C]", "names = [A, B, C, D]"),
        ("if a == 1 or a == 2:", "2:", "2 or a == 5:", "if b == 3 or b == 4:", None),
        ("if a == 1 or a == 2:", "2:", "2 or 5 == c:", "if b == 1 or b == 2:", "if b == 1 or b == 2 or 5 == c:"),
        ("if a.one_of(1, 2):", "2)", "2, 5)", "if b.one_of(3, 4):", None),
        ("if a.one_of('x', y):", "y)", "y, 5)", "if b.one_of('z', y):", "if b.one_of('z', y, 5):"),
        ("a = use('x', 1)", "1)", "1, 'w')", "b = use('y', 1)", "b = use('y', 1, 'w')"),
        ("a = read(x[1])", "])", "], 5)", "b = read(y[2])", "b = read(y[2], 5)"),
        ("while a and b:", "b:", "b > 0:", "while c and b:", "while c and b > 0:"),
    ],
)
def test_a_value_among_others_of_its_kind_is_not_put_among_different_ones(
    line: str, old: str, new: str, other: str, expected: str | None
) -> None:
    check(f"{line}\n    go()\n{other}\n    stop()\n", line, line.replace(old, new), [expected] if expected else [])


def test_the_words_of_a_twin_stand_together() -> None:
    text = "if x + y > 0 and z:\n    a()\nelif x * 2 + y > 0 and z:\n    b()\n"
    check(text, "if x + y", "if w", [])
    check(text.replace("x * 2 + y", "x + y"), "if x + y", "if w", ["elif w > 0 and z:"])


def test_holes_of_a_place_stand_apart() -> None:
    now = "def move(y):\n    pass\n\n\nmove(f(move(a, b), move(c, d)), e)\n"
    edit = difference(now.replace("(y)", "(x, y)"), now)
    assert edit is not None
    change = change_of(edit, now)
    assert change is not None
    [place] = related_places(change, now, "python", 0)
    assert all(first[1] <= second[0] for first, second in pairwise(place.holes))
    assert place.drafts == (("",),), "the outermost call"


@pytest.mark.parametrize(
    ("old", "new"), [("total = 0", "total  =  0"), ("    total = 0\n", "\n    total = 0\n"), ("\n", "\r\n")]
)
def test_white_space_is_no_change(old: str, new: str) -> None:
    now = plain(Text(after(MEAN, old, new)))
    edit = difference(MEAN, now)
    assert edit is None or change_of(edit, now) is None


def test_comments_are_no_change() -> None:
    for old, new in (("# total", "# sum"), ("value  # total", "value"), ("total = 0", "total = 0  # begin")):
        now = after(MEAN, old, new)
        edit = difference(MEAN, now)
        assert edit is not None
        change = change_of(edit, now)
        assert change is not None and changes_only_comments(change, "python")


def test_only_what_is_near_an_edit_is_read_for_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def measured(language: str, text: str, kinds: Sequence[Kind]) -> dict[Kind, list[tuple[int, int]]]:
        read.append(len(text))
        return spans(language, text, kinds)

    monkeypatch.setattr(objections, "spans", measured)
    filler = "value = 1\n" * 5000
    for old, new, expected in (("# total", "# sum", True), ("total = 0", "amount = 0", False)):
        before = filler + MEAN + filler
        now = after(before, old, new)
        edit = difference(before, now)
        assert edit is not None
        change = change_of(edit, now)
        assert change is not None and changes_only_comments(change, "python") == expected
    assert read and max(read) < 5000


def test_what_should_not_be_offered() -> None:
    now = after(MEAN, "total = 0", "amount = 0")
    edit = difference(MEAN, now)
    assert edit is not None
    change = change_of(edit, now)
    assert change is not None

    def objects(old: str, new: str) -> bool:
        start = now.index(old)
        return objection(now, start, start + len(old), new, "python", change) is not None

    assert objects("amount", "total"), "it undoes what was typed"
    assert objects("total += value", "total  +=  value"), "white space"
    assert objects("# total", "# amount"), "a comment"
    assert objects("total / 'total'", "amount / ("), "the syntax would be worse"
    assert not objects("total += value", "amount += value")


class Editor:
    """Types, and keeps the time."""

    def __init__(self, text: str) -> None:
        self.text, self.now = text, 0.0
        self.recent = RecentEdits(lambda: self.now)
        self.recent.notice(URI, Text(text))

    def replace(self, start: int, end: int, new: str) -> None:
        self.text = self.text[:start] + new + self.text[end:]
        self.now += 1.0
        self.recent.notice(URI, Text(self.text))

    def type(self, at: str, new: str) -> None:
        start = self.text.index(at) + len(at)
        for step, sign in enumerate(new):
            self.replace(start + step, start + step, sign)

    @property
    def edits(self) -> list[tuple[str, str]]:
        """What stood where, and what stands there, the latest first."""
        return [(edit.old, edit.new(plain(Text(self.text)))) for edit in self.recent.of(URI)]


def test_what_is_typed_at_one_place_is_one_edit() -> None:
    editor = Editor("a = 1\nb = 2\nc = 3\n")
    editor.type("a = ", "00")
    assert editor.edits == [("", "00")]
    editor.type("c = ", "7")
    assert editor.edits == [("", "7"), ("", "00")]
    editor.replace(4, 6, "")
    assert editor.edits == [("", "7")], "what was undone is no edit"


def test_after_a_pause_it_is_another_edit() -> None:
    editor = Editor("name = 1\n")
    editor.type("na", "x")
    editor.now += PAUSE_SECONDS
    editor.type("nax", "y")
    assert editor.edits == [("", "y"), ("", "x")]


def test_closed_documents_are_forgotten() -> None:
    editor = Editor("name = 1\n")
    editor.type("na", "x")
    editor.recent.keep([])
    assert editor.edits == []


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000))
def test_edits_tell_the_truth_after_any_typing(seed: int) -> None:
    """On one line all are one edit, whose undoing gives the first text; the lines around it do not matter."""
    chance = random.Random(seed)
    line = "gamma = alpha + beta"
    editor = Editor(f"alpha = 1\nbeta = 2\n\n{line}\nprint(gamma)\n")
    first, begin = editor.text, editor.text.index(line)
    for _ in range(12):
        end_of_line = editor.text.index("\n", begin)
        start = chance.randrange(begin, end_of_line + 1)
        end = min(end_of_line, start + chance.choice((0, 0, 1, 3)))
        editor.replace(start, end, chance.choice(("", "x", "ab", "é")))
        [*edits] = editor.recent.of(URI)
        assert len(edits) == (editor.text != first)
        assert all(edit.undone(editor.text) == first for edit in edits)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000))
def test_offsets_stay_in_the_text(seed: int) -> None:
    chance = random.Random(seed)
    editor = Editor("alpha = 1\nbeta = 2\n\ngamma = alpha + beta\n")
    for _ in range(12):
        start = chance.randrange(len(editor.text) + 1)
        end = min(len(editor.text), start + chance.choice((0, 0, 1, 9)))
        editor.replace(start, end, chance.choice(("", "x", "\n", "ab", "é")))
        edits = editor.recent.of(URI)
        assert all(0 <= edit.start <= edit.end <= len(editor.text) for edit in edits)
        spans = sorted((edit.start, edit.end) for edit in edits)
        assert all(first[1] <= second[0] for first, second in pairwise(spans)), "edits stand apart"


@given(before=st.text("ab\n", max_size=12), now=st.text("ab\n", max_size=12))
def test_a_difference_is_one_replacement(before: str, now: str) -> None:
    edit = difference(before, now)
    assert (edit is None) == (before == now)
    assert edit is None or edit.undone(now) == before
