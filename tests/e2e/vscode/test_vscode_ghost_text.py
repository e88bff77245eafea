"""Ghost text in VS Code: shown, taken whole or in part, dismissed, typed along and typed over."""

from __future__ import annotations

from code_server import CodeServer
from window import Window


def test_tab_inserts_exactly_what_was_shown(window: Window) -> None:
    window.open("whole.py", "prices = [3, 5, 8]\n|\nprint(total)\n")
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")
    window.press("Tab")
    assert window.text() == "prices = [3, 5, 8]\ntotal = sum(prices)\nprint(total)\n"


def test_it_is_taken_word_by_word(window: Window) -> None:
    window.open("words.py", "def mean(values):\n|")
    window.type("    return ")
    window.wait_for_ghost("sum(values) / len(values)")
    window.press("Control+ArrowRight")
    left = "(values) / len(values)"
    window.wait_for_ghost(left)
    window.press("Control+ArrowRight")
    window.until(lambda: 0 < len(window.ghost()) < len(left), "less of it", window.ghost)
    assert left.endswith(window.ghost())
    window.press("Tab")
    assert window.text() == "def mean(values):\n    return sum(values) / len(values)"


def test_it_is_taken_line_by_line(window: Window) -> None:
    window.open("lines.py", "prices = [3, 5, 8]\n|\nprint(total)\n")
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")
    window.press("Control+Alt+ArrowRight")
    assert window.text() == "prices = [3, 5, 8]\ntotal = sum(prices)\nprint(total)\n"


def test_escape_dismisses_it(window: Window) -> None:
    window.open("dismiss.py", "prices = [3, 5, 8]\n|\n")
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")
    window.press("Escape")
    window.wait_for_ghost("")
    assert window.stays_without_ghost()
    assert window.text() == "prices = [3, 5, 8]\ntotal = \n"


def test_typing_along_keeps_it(window: Window) -> None:
    window.open("along.py", "prices = [3, 5, 8]\n|\n")
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")
    for typed, left in (("s", "um(prices)"), ("u", "m(prices)"), ("m", "(prices)")):
        window.type(typed)
        window.wait_for_ghost(left)
    window.press("Tab")
    assert window.text() == "prices = [3, 5, 8]\ntotal = sum(prices)\n"


def test_typing_otherwise_replaces_it(window: Window) -> None:
    window.open("otherwise.py", "prices = [3, 5, 8]\n|\n")
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")
    window.type("m")
    window.wait_for_ghost("ax(prices)")
    window.press("Tab")
    assert window.text() == "prices = [3, 5, 8]\ntotal = max(prices)\n"


def test_a_bracket_that_the_editor_has_closed_is_not_doubled(window: Window, code_server: CodeServer) -> None:
    code_server.configure(confidence=0.2)  # between brackets the model is less sure
    window.open("bracket.py", "total = 1\n|\n")
    window.type("print(")
    shown = window.wait_for_any_ghost()
    assert shown.startswith("total")
    window.press("Tab")
    assert window.text() == "total = 1\nprint(total)\n"


def test_behind_an_emoji(window: Window) -> None:
    window.open("emoji.py", "# 🎂🎉\n|\n")
    window.page.keyboard.insert_text("cake = '🎂' + ")
    window.press("Backspace", "Space")
    window.wait_for_ghost("str(total)")
    window.press("Tab")
    assert window.text() == "# 🎂🎉\ncake = '🎂' + str(total)\n"


def test_on_demand_where_nothing_came_by_itself(window: Window) -> None:
    window.open("demand.py", "prices = [3, 5, 8]\ntotal = |\n")
    assert window.stays_without_ghost()
    window.run("Lacuna: Suggest Here")
    window.wait_for_ghost("sum(prices)")
    window.press("Alt+]")
    window.until(lambda: window.ghost() not in ("", "sum(prices)"), "another suggestion", window.ghost)
    window.press("Alt+[")
    window.wait_for_ghost("sum(prices)")


def test_on_demand_by_its_key(window: Window) -> None:
    window.open("key.py", "prices = [3, 5, 8]\ntotal = |\n")
    assert window.stays_without_ghost()
    window.press("Alt+\\")
    window.wait_for_ghost("sum(prices)")


def test_in_a_line_with_more_behind_the_cursor(window: Window) -> None:
    window.open("middle.py", "prices = [3, 5, 8]\n|  # of all\n")
    window.type("total = ")
    shown = window.wait_for_any_ghost()
    window.press("Tab")
    assert window.text() == f"prices = [3, 5, 8]\ntotal = {shown}  # of all\n"
