"""What a user repeats: edits that say the same are one edit for what follows from it."""

from __future__ import annotations

from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.edits.next_edit.change import alike, change_of
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit, RecentEdits
from lacuna.lsp_server.edits.next_edit.related_places import related_places
from lacuna.lsp_server.edits.next_edit.site import Site, Version

URI = "file:///scale.py"
BEFORE = """\
def scaled(value):
    factor = 2
    low = value * factor
    high = low * factor
    return high - factor
"""


def edited(*replacements: tuple[str, str]) -> tuple[str, list[RecentEdit]]:
    """The text after edits that were made one after the other, and the edits, the last one first."""
    recent, text = RecentEdits(), BEFORE
    recent.notice(URI, Text(text))
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
        recent.notice(URI, Text(text))
    return text, recent.of(URI)


def last_version(*replacements: tuple[str, str]) -> Version:
    text, (last, *others) = edited(*replacements)
    return Version(URI, text, "python", last, alike=alike(last, others, text))


def test_edits_that_put_the_same_in_the_place_of_the_same_are_alike() -> None:
    text, (last, other, first) = edited(
        ("factor = 2", "scale = 2"), ("return high", "return 3"), ("* factor", "* scale")
    )
    assert alike(last, (last, other, first), text) == (first,)


def test_an_edit_that_does_more_is_not_alike() -> None:
    text, (last, first) = edited(("factor = 2", "scale = 3"), ("* factor", "* scale"))
    assert alike(last, (last, first), text) == ()
    assert alike(first, (last, first), text) == (last,)


def test_signs_alone_make_no_edits_alike() -> None:
    text, (last, first) = edited(("factor = 2", "factor = (2)"), ("return high - factor", "return (high - factor)"))
    assert alike(last, (last, first), text) == ()


def test_all_of_them_are_undone_for_what_stood_before() -> None:
    version = last_version(("factor = 2", "scale = 2"), ("value * factor", "value * scale"))
    assert version.old(0, len(version.text)) == BEFORE


def test_an_edit_of_another_kind_stays_where_the_last_one_is_undone() -> None:
    version = last_version(("factor = 2", "factor = 3"), ("value * factor", "value * scale"))
    assert version.old(0, len(version.text)) == BEFORE.replace("factor = 2", "factor = 3")


def test_what_lies_only_partly_in_a_piece_stays_in_it() -> None:
    version = last_version(("factor = 2", "scale = 2"))
    start = version.text.index("cale = 2")
    assert version.old(start, start + 8) == "cale = 2"


def test_a_place_is_scored_behind_the_text_before_all_that_was_repeated() -> None:
    version = last_version(("factor = 2", "scale = 2"), ("value * factor", "value * scale"))
    change = change_of(version.edit, version.text)
    assert change is not None
    place = related_places(change, version.text, "python", version.edit.end)[0]
    passage = Site(version, change, URI, version.text, place).passage(0.5)
    assert passage.old_prefix == BEFORE[: BEFORE.index("    high")]
    assert passage.new_prefix == version.text[: version.text.index("    high")]
