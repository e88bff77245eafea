"""The shape of items by client: pure, with marked text (`|` is the cursor), and over stdio with the real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_client import started
from lsprotocol import types
from marked_text import snapshot_at

from lacuna.lsp_server.completion.item_shape import ItemShape, ghost_text_shape, start_column
from lacuna.lsp_server.completion.type_through import Offer, TypeThrough
from lacuna.lsp_server.infill.suggestion import Suggestion

PAIRS = {"(": ")", "[": "]", "{": "}"}


@pytest.mark.parametrize(
    ("client", "shape"),
    [
        ("Visual Studio Code", ItemShape.LINE),
        ("Visual Studio Code - Insiders", ItemShape.LINE),
        ("code-server", ItemShape.LINE),
        ("Code - OSS", ItemShape.LINE),
        ("VSCodium", ItemShape.LINE),
        ("Cursor", ItemShape.LINE),
        ("Windsurf - Next", ItemShape.LINE),
        ("Eclipse Theia", ItemShape.LINE),
        ("Neovim", ItemShape.CURSOR),
        ("cursortab.nvim", ItemShape.CURSOR),
        ("Visual Studio", ItemShape.CURSOR),
        ("helix", ItemShape.CURSOR),
        ("", ItemShape.CURSOR),
    ],
)
def test_clients_by_name(client: str, shape: ItemShape) -> None:
    assert ghost_text_shape(client) is shape


def check(marked: str, shape: ItemShape, wanted: str, replaced: int = 0) -> None:
    """What an item replaces left of the cursor."""
    column = marked.index("|")
    line = marked.replace("|", "", 1)
    start = start_column(shape, line, column, replaced)
    assert line[start:column] == wanted


def test_lines_are_replaced_from_their_first_sign() -> None:
    check("    return |", ItemShape.LINE, "return ")
    check("    return |  ", ItemShape.LINE, "return ")
    check("\tif (|)", ItemShape.LINE, "if (", replaced=1)
    check("    |", ItemShape.LINE, "")
    check("|", ItemShape.LINE, "")


def test_in_mid_line_nothing_is_replaced() -> None:
    check("    f(|, b)", ItemShape.LINE, "")
    check("    f(|)", ItemShape.LINE, "")
    check("    f(|), g()", ItemShape.LINE, "", replaced=1)
    check("    return |", ItemShape.CURSOR, "")


def test_behind_an_emoji_nothing_is_replaced() -> None:
    check("    cake = '🎂' + |", ItemShape.LINE, "")
    check("    cake = |  # 🎂", ItemShape.LINE, "")
    check("    café = |", ItemShape.LINE, "café = ")


def test_menus_match_by_the_word() -> None:
    check("    x = foo_b|", ItemShape.WORD, "foo_b")
    check("    x = foo.é1|)", ItemShape.WORD, "é1")
    check("    x = foo.|", ItemShape.WORD, "")


def typed_by_an_editor(before: str, after: str, sign: str) -> tuple[str, str]:
    """Left and right of the cursor, in an editor that closes brackets by itself and lets closers be typed over."""
    if sign in PAIRS.values() and after.startswith(sign):
        return before + sign, after[1:]
    return before + sign, PAIRS.get(sign, "") + after


@st.composite
def calls(draw: st.DrawFn) -> str:
    """Text whose brackets match, as in "(a, [b])"."""
    inner = st.recursive(
        st.sampled_from(["a", "bc", "d, e", ""]),
        lambda parts: st.tuples(st.sampled_from("([{"), parts, st.sampled_from(["", ", f"]), parts).map(
            lambda made: f"{made[0]}{made[1]}{PAIRS[made[0]]}{made[2]}{made[3]}"
        ),
        max_leaves=4,
    )
    return draw(inner.filter(lambda text: text.strip() != ""))


@given(calls(), st.sampled_from(["", ")", ", x)"]))
def test_whoever_types_along_gets_what_was_suggested_and_no_closer_twice(text: str, behind: str) -> None:
    before, after = "call", behind
    known = TypeThrough()
    known.put(snapshot_at(f"{before}|{after}\n"), Offer((Suggestion(text),), invoked=False))
    for typed, sign in enumerate(text, 1):
        before, after = typed_by_an_editor(before, after, sign)
        offer = known.find(snapshot_at(f"{before}|{after}\n"))
        assert (offer is not None) == bool(text[typed:].strip())
        if offer is not None:
            [left] = offer.suggestions
            assert before + left.text + after[left.replaced :] == "call" + text + behind


@pytest.mark.weights
@pytest.mark.parametrize(("name", "start", "repeated"), [("Visual Studio Code", 4, "return "), ("Neovim", 11, "")])
async def test_the_same_suggestion_in_the_shapes_of_two_editors(
    name: str, start: int, repeated: str, embedded_model: Path
) -> None:
    async with started({"confidence": 0.0}, name=name) as (client, _):
        await client.until("ready")
        client.open("def add(a, b):\n    return \n\n\nprint(add(1, 2))\n")
        [item] = await client.ask(1, 11)
        assert item.range == types.Range(types.Position(1, start), types.Position(1, 11))
        assert item.insert_text.startswith(repeated)
        text = item.insert_text.removeprefix(repeated)
        assert text.strip()
        client.change(1, 11, text[0])
        [item] = await client.ask(1, 12)
        assert item.insert_text == (repeated + text if repeated else text[1:])
        selected = await client.ask(1, 12, selected=(11, text.split()[0]))
        assert selected, "the menu has what the suggestion begins with"
        assert selected[0].range == types.Range(types.Position(1, 11), types.Position(1, 12))
