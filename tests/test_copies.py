"""Copied drafts: the longest earlier match decides, the latest of equals."""

from __future__ import annotations

from engine.copies import copied


def check(prefix: str, sources: list[str], expected: str) -> None:
    """Letters stand for tokens."""
    ids = [[ord(letter) for letter in text] for text in [prefix, *sources]]
    assert "".join(map(chr, copied(ids[0], ids[1:], 4))) == expected


def test_what_followed_the_match_is_copied() -> None:
    check("xxabc", ["abcdefgh"], "defg")


def test_the_longer_match_wins() -> None:
    check("zabc", ["abc1", "zabc2", "abc3"], "2")


def test_the_latest_of_equal_matches_wins() -> None:
    check("abc", ["abc1--abc2"], "2")


def test_of_equal_matches_the_most_useful_source_wins() -> None:
    check("abc", ["abc1", "abc2"], "2")


def test_a_short_match_is_chance() -> None:
    check("xbc", ["abcd"], "")


def test_a_file_matches_its_own_earlier_text_but_not_itself() -> None:
    check("abcd-abc", ["abcd-abc"], "d-ab")
    check("abc", ["abc"], "")
