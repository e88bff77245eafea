"""Documents read in pieces: the same as built whole, and only what an edit touched."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lacuna.lsp_server.documents.plain_text import PlainText, offset_in, place_in, plain
from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdits, difference

URI = "untitled:a.py"
LINES = 1500  # several blocks


def long_text(chance: random.Random, end: str) -> Text:
    return Text("".join(chance.choice(("a = 1", "b", "", "cé")) + end for _ in range(LINES)))


def edited(chance: random.Random, text: Text) -> Text:
    """One replacement, seldom a long one."""
    start = chance.randrange(len(text) + 1)
    stop = min(start + chance.choice((0, 0, 1, 9, 4000)), len(text))
    new = chance.choice(("", "x", "\n", "\r", "b\n", "a = 1\r\n" * 300))
    return text.replace(text.place_at(start), text.place_at(stop), new)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), end=st.sampled_from(("\n", "\r\n", "\r")))
def test_pieces_are_those_of_the_whole(seed: int, end: str) -> None:
    chance = random.Random(seed)
    text = edited(chance, long_text(chance, end))
    whole, pieces = plain(text), PlainText(text)
    assert len(pieces) == len(whole)
    for _ in range(10):
        start, stop = chance.randrange(len(whole) + 1), chance.randrange(len(whole) + 1)
        assert pieces[start:stop] == whole[start:stop]
        place = place_in(whole, start)
        assert offset_in(whole, place) == start
        assert text.offset(place) - text.before(place, len(text)).count("\r\n") == start, "it is the document's"
        assert pieces.has_line_end(start, stop) == ("\n" in whole[start:stop])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), end=st.sampled_from(("\n", "\r\n")))
def test_an_edit_is_noticed_as_if_all_were_compared(seed: int, end: str) -> None:
    chance = random.Random(seed)
    before = long_text(chance, end)
    after = edited(chance, before)
    recent = RecentEdits(lambda: 0.0)
    recent.notice(URI, before)
    recent.notice(URI, after)
    expected = difference(plain(before), plain(after))
    assert recent.of(URI) == ([] if expected is None else [expected])


def test_little_of_a_long_text_is_compared() -> None:
    before = Text("line\n" * 100_000)
    place = before.place_at(250_000)
    start, old, new = PlainText(before).unshared(PlainText(before.replace(place, place, "x")))
    assert 0 < start <= 250_000
    assert len(old) + 1 == len(new) <= 5 * 512


@pytest.mark.parametrize("new", ["line\n", "line\nline\n"])
def test_a_line_that_repeats_those_around_it(new: str) -> None:
    """The difference may stand behind all that the two texts do not share."""
    before = Text("line\n" * 2000)
    place = before.place_at(5 * 255)
    after = before.replace(place, place, new)
    recent = RecentEdits(lambda: 0.0)
    recent.notice(URI, before)
    recent.notice(URI, after)
    assert recent.of(URI) == [difference(plain(before), plain(after))]
