"""What an edit may take away and bring, after the user's. No model."""

from __future__ import annotations

import pytest

from lacuna.engine.diff_api import DiffQuestion, Hunk, LineEdit
from lacuna.lsp_server.edits.next_edit.foreseen import is_foreseen

COMES = Hunk(1, (), ("def fetch(client):\n",), ("def fetch(client, timeout):\n",))
BECOMES = Hunk(1, (), ("size = width(3)\n",), ("size = extent(3)\n",))
GOES = Hunk(1, (), ("fetch(client, verbose)\n",), ("fetch(client)\n",))


@pytest.mark.parametrize(
    ("hunk", "before", "after", "expected"),
    [
        (COMES, "x = fetch(client)\n", "x = fetch(client, timeout)\n", True),
        (COMES, "x = fetch(client)\n", "x = fetch(client, timeout=timeout)\n", True),
        (COMES, "x = fetch(client)\n", "x = fetch(client, 30)\n", False),  # which stands nowhere
        (COMES, "x = fetch(client)\n", "x = fetch(other)\n", False),  # nothing of the edit, and more goes than it took
        (COMES, "x = store(client)\n", "x = fetch(client, timeout)\n", False),  # the user has taken no `store` away
        (COMES, "x = fetch(client)\n", "x = client\n", False),
        (BECOMES, "y = width(4)\n", "y = extent(4)\n", True),
        (BECOMES, "y = height(4)\n", "y = extent(4)\n", False),
        (GOES, "x = fetch(user, verbose)\n", "x = fetch(user)\n", True),
        (GOES, "x = fetch(user, quiet)\n", "x = fetch(user)\n", False),
        (COMES, "x = 1\n", "x = 1;\n", False),  # no word of the edit
    ],
)
def test_words_that_go_and_come(hunk: Hunk, before: str, after: str, expected: bool) -> None:
    question = DiffQuestion("a.py", (hunk,), 9, (), ("\n", before))
    assert is_foreseen(question, LineEdit(1, 2, (after,), 0.9)) == expected
