"""The server is told where the cursor rests, and not of every key."""

from __future__ import annotations

import json
import re
from pathlib import Path

from code_server import CodeServer
from window import Window

TEXT = "prices = [3, 5, 8]\n|\nprint(total)\n"


def test_where_the_cursor_rests_is_told(window: Window, code_server: CodeServer) -> None:
    messages = code_server.home / "messages"
    window.open("resting.py", TEXT)
    code_server.configure(path=code_server.stand_in("recording", f"tee '{messages}' | exec"))
    window.until(messages.exists, "the other program")
    window.until(lambda: [1, 0] in told(messages), "where the cursor is", lambda: str(told(messages)))
    window.wait_for_status("ready")
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")
    window.press("Escape", "ArrowUp")
    window.until(lambda: told(messages)[-1][0] == 0, "where it went", lambda: str(told(messages)))
    assert not [place for place in told(messages) if place[0] == 1 and 0 < place[1] < len("total =")]


def told(messages: Path) -> list[list[int]]:
    """Lines and columns, in their order."""
    found = re.findall(
        r'\{"jsonrpc":"2.0","method":"lacuna/cursor","params":(\{.*?\}\})\}', messages.read_text("utf-8")
    )
    places = (json.loads(params)["position"] for params in found)
    return [[place["line"], place["character"]] for place in places]
