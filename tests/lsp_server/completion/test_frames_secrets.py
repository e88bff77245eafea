"""A client that watches the canvas is shown no secret that no suggestion would hold."""

from __future__ import annotations

import asyncio

import pytest

from lacuna.engine.api import Frame
from lacuna.lsp_server.completion.frames import Frames, Picture
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Position

KEY = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
PARTS = [KEY[at : at + 4] for at in range(0, len(KEY), 4)]


async def told(text: str, fills: list[list[str | None]]) -> list[Picture]:
    """What a client sees of canvases that are filled so, with the cursor at `|`."""
    pictures: list[Picture] = []
    frames = Frames(pictures.append)
    frames.wanted = True
    documents = DocumentStore()
    head, tail = text.split("|")
    documents.open("untitled:a.py", "python", 1, head + tail)
    position = Position(head.count("\n"), len(head.rpartition("\n")[2]))
    with frames.watching(documents.snapshot("untitled:a.py", position), position) as on_frame:
        assert on_frame is not None
        for step, cells in enumerate(fills, 1):
            on_frame(Frame(step, tuple((cell, True) for cell in cells)))
        await asyncio.sleep(0.01)
    return pictures


def shown(pictures: list[Picture]) -> list[str]:
    return ["".join(text or "" for text, _ in picture.cells) for picture in pictures]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("AWS_SECRET_ACCESS_KEY = |\n", ['"', *PARTS, '"']),
        (f'AWS_SECRET_ACCESS_KEY = "{KEY}"\nother = |\n', ['"', *PARTS, '"']),
        (f'other = |\nAWS_SECRET_ACCESS_KEY = "{KEY}"\n', ['"', *PARTS, '"']),
        ('password = "|"\n', ["hun", "ter2"]),
        ("x = |\n", ['"ghp_', *["a1B2"] * 9, '"']),
    ],
)
async def test_a_canvas_that_shows_a_secret_is_told_no_more_and_ends_empty(text: str, whole: list[str]) -> None:
    first: list[str | None] = [whole[0], *[None] * (len(whole) - 1)]
    pictures = await told(text, [first, list(whole), [*whole, "\n"]])
    assert [picture.done for picture in pictures] == [False, True]
    assert shown(pictures) == [whole[0], ""]


async def test_a_canvas_of_code_is_told_as_it_is() -> None:
    fills: list[list[str | None]] = [["self.", None, None], ["self.", "next", "()"]]
    assert shown(await told("this.token = token;\ntoken = |\n", fills)) == ["self.", "self.next()", "self.next()"]
