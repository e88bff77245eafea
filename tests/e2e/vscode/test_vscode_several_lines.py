"""Next edits of several lines in VS Code: what goes is struck out, what comes is a block as it will be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import told_server
from code_server import CodeServer
from window import NextEdit, Window

APPEND = "self.items.append((name, price))"
SUM = "result = 0\nfor item in self.items:\nresult += item[1]"
HERE = "⇥ Tab"
SHOWN = {
    "insert.py": NextEdit(hint="→ line 12: Tab", lines="if result < 0:\n    raise ValueError(result)", seam=True),
    "one_by_three.py": NextEdit(
        APPEND, hint=HERE, lines="if not name:\n    raise ValueError(name)\nself.items[name] = price"
    ),
    "three_by_two.py": NextEdit(
        SUM, hint="→ line 9: Tab", lines="prices = [item[1] for item in self.items]\nresult = sum(prices)"
    ),
    "end.py": NextEdit(
        hint="→ line 13: Tab",
        lines="\ndef names(self):\n    return [item[0] for item in self.items]",
        seam=True,
    ),
    "long_lines.py": NextEdit(
        APPEND,
        hint=HERE,
        lines="if not name.isidentifier():\n"
        "    raise ValueError(f'{name!r} is no name: a name is a letter, and letters and digits behind it')\n"
        "self.items[name] = price",
    ),
}
MODEL = "smollm2-135m"  # not the one of the server before, so that it is seen which of them is ready
NOTHING = NextEdit()


@pytest.fixture(scope="module")
def told(shared_window: Window, code_server: CodeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """A server that is told what follows."""
    script = told_server.script(tmp_path_factory.mktemp("told") / "lacuna")
    code_server.configure(path=str(script), model=MODEL, confidence=1.0)
    shared_window.wait_for_status(f"ready.*{MODEL}")
    shared_window.run("View: Toggle Primary Side Bar Visibility")
    yield shared_window
    shared_window.run("View: Toggle Primary Side Bar Visibility")
    code_server.configure()
    shared_window.wait_for_status("ready.*taught")


@pytest.fixture
def window(told: Window) -> Iterator[Window]:
    yield told
    told.close_all()


@pytest.mark.parametrize("name", SHOWN)
def test_all_of_it_is_shown_and_taken(window: Window, name: str) -> None:
    window.open(name, told_server.CART)
    window.type(told_server.TYPED)
    window.wait_for_next_edit(SHOWN[name])
    if SHOWN[name].hint != HERE:
        window.press("Tab")
        window.until(lambda: window.next_edit().hint == HERE, "there", lambda: f"{window.next_edit()}")
    window.press("Tab")
    window.wait_for_next_edit(NOTHING)
    assert window.text() == told_server.after(name)


def test_escape_takes_all_of_it_down(window: Window) -> None:
    window.open("refused.py", told_server.CART)
    window.type(told_server.TYPED)
    window.wait_for_next_edit(SHOWN["three_by_two.py"])
    window.press("Escape")
    window.wait_for_next_edit(NOTHING)
    assert window.text() == told_server.BEFORE


def test_out_of_view_only_the_way_is_shown(window: Window) -> None:
    window.open("out_of_view.py", told_server.CART)
    window.type(told_server.TYPED)
    window.wait_for_next_edit(SHOWN["end.py"])
    size = window.page.viewport_size
    assert size is not None, "windows have a size"
    window.page.set_viewport_size({**size, "height": 300})
    window.wait_for_next_edit(NextEdit(hint=SHOWN["end.py"].hint))
    window.press("Tab")
    window.wait_for_next_edit(replace(SHOWN["end.py"], hint=HERE))
    window.page.set_viewport_size(size)
