"""The picture of the README: the embedded model's ghost text in a small program.

With LACUNA_SCREENSHOTS=qwen2.5-coder-0.5b, which then has to be in the tests' cache, it is made anew.
"""

from __future__ import annotations

import os

from code_server import CodeServer
from setup_vscode import EXTENSION
from window import Window

from lacuna.engine.store.model_store import EMBEDDED

PICTURE = EXTENSION / "images" / "ghost-text.png"
PROGRAM = '''\
from dataclasses import dataclass, field


@dataclass
class Item:
    name: str
    price: float


@dataclass
class Inventory:
    items: list[Item] = field(default_factory=list)

    def total(self) -> float:
        """The worth of all items."""
        return sum(item.price for item in self.items)

    def prices(self) -> list[float]:
        """All prices, in the order of the items."""
        |
'''


def test_the_embedded_model_in_a_small_program(window: Window, code_server: CodeServer) -> None:
    model = os.environ.get("LACUNA_SCREENSHOTS", EMBEDDED)
    code_server.configure(model=model)
    window.open("inventory.py", PROGRAM)
    window.wait_for_status(f"ready.*{model}")
    window.run("View: Toggle Primary Side Bar Visibility")
    typed = _typed_until_something_is_shown(window, "return [item")
    window.page.wait_for_timeout(500)  # until the cursor's blinking and the tooltips have settled
    shown = window.ghost()
    if os.environ.get("LACUNA_SCREENSHOTS"):
        window.page.screenshot(path=PICTURE)
    window.press("Tab")
    assert f"        {typed}{shown}" in window.text()  # and what the editor has closed by itself
    window.run("View: Toggle Primary Side Bar Visibility")


def _typed_until_something_is_shown(window: Window, text: str) -> str:
    """Key after key, with a look at every one: which of them the model is sure enough at, no test can say."""
    for at, key in enumerate(text, 1):
        window.type(key)
        if not window.stays_without_ghost():
            return text[:at]
    raise AssertionError(f"no suggestion anywhere in {text!r}")
