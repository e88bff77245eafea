"""The picture of the README: the embedded model's ghost text in a small program.

With LACUNA_SCREENSHOTS=1 it is made anew.
"""

from __future__ import annotations

import os

from code_server import CodeServer
from setup_vscode import EXTENSION
from window import Window

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
    code_server.configure(model="smollm2-135m")
    window.open("inventory.py", PROGRAM)
    window.wait_for_status("loading|working")
    window.wait_for_status("ready.*smollm2")
    window.run("View: Toggle Primary Side Bar Visibility")
    window.type("return")
    window.wait_for_any_ghost()
    window.page.wait_for_timeout(500)  # until the cursor's blinking and the tooltips have settled
    if os.environ.get("LACUNA_SCREENSHOTS"):
        window.page.screenshot(path=PICTURE)
    shown = window.ghost()
    window.press("Tab")
    assert f"        return{shown}\n" in window.text()
    window.run("View: Toggle Primary Side Bar Visibility")
