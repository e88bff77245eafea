"""Rewriting a selection with an instruction: the user confirms what a model that follows instructions makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_diffusion_gemma
from code_server import CodeServer
from window import Window

CODE = "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"
METHOD = "    def f(self):\n        return 1\n"
COMMAND = "Lacuna: Rewrite the Selection with an Instruction"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with random weights: what it says is no code, but it says it as the large one does."""
    return tiny_diffusion_gemma.write(tmp_path_factory.mktemp("gemma"))


def test_what_was_confirmed_is_edited(window: Window, code_server: CodeServer, model: Path) -> None:
    follow_instructions(window, code_server, model)
    select_method(window, "confirmed.py")
    instruct(window, "return 3")
    window.page.locator(".bulk-edit-panel .textedit .edit-checkbox").click()  # VS Code applies what was ticked
    answer(window, "Apply")
    window.until(lambda: "return 1" not in "\n".join(window.lines()), "the edit")
    text = window.text()
    head, tail = CODE.split(METHOD)
    assert text.startswith(head) and text.endswith(tail) and text != head + tail
    window.press("Control+z")
    window.wait_for_lines(CODE)


def test_what_was_not_confirmed_is_not(window: Window, code_server: CodeServer, model: Path) -> None:
    follow_instructions(window, code_server, model)
    select_method(window, "discarded.py")
    instruct(window, "return 3")
    answer(window, "Discard")
    assert window.text() == CODE


def test_without_a_selection_it_says_so(window: Window) -> None:
    window.open("unselected.py", CODE)
    window.run(COMMAND)
    said(window, "select the code")


def test_a_model_that_follows_no_instructions(window: Window) -> None:
    select_method(window, "cannot.py")
    instruct(window, "return 3")
    said(window, "follows no instructions: choose a DiffusionGemma")
    assert window.text() == CODE


def test_the_context_menu_has_it_where_something_is_selected(window: Window) -> None:
    window.open("context_menu.py", CODE)
    assert not is_in_context_menu(window)
    select_method(window, "context_menu.py")
    assert is_in_context_menu(window)


def follow_instructions(window: Window, code_server: CodeServer, model: Path) -> None:
    code_server.configure(model=str(model))
    window.wait_for_status(f"ready.*{model.name}")


def select_method(window: Window, name: str) -> None:
    """Open a file with `METHOD` selected, but for its last line end."""
    window.open(name, CODE.replace("return 1", "return 1|"))
    window.press("Shift+ArrowUp", "Shift+Home", "Shift+Home")


def instruct(window: Window, instruction: str) -> None:
    window.run(COMMAND)
    window.page.get_by_placeholder("use a context manager").fill(instruction)
    window.press("Enter")


def answer(window: Window, button: str) -> None:
    """Press a button of the preview of what is to be edited."""
    window.page.locator(".bulk-edit-panel").get_by_role("button", name=button).click()


def said(window: Window, message: str) -> None:
    """Wait for a message, and clear it away."""
    window.page.locator(".notification-list-item", has_text=message).wait_for()
    window.run("Notifications: Clear All Notifications")


def is_in_context_menu(window: Window) -> bool:
    window.press("Shift+F10")
    window.page.locator(".context-view .action-label", has_text="Paste").first.wait_for()
    entry = window.page.locator(".context-view .action-label", has_text="Rewrite the Selection with an Instruction")
    is_there = entry.count() > 0
    window.press("Escape")
    return is_there
