"""Copied drafts: the longest earlier match decides, the latest of equals."""

from __future__ import annotations

from lacuna.engine.evaluate.base_alone import copied
from lacuna.engine.families.gap.decoding.prompt_lookup import RIGHT, PromptLookup


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


def test_what_followed_the_longest_match_comes_next_and_the_latest_of_them() -> None:
    copies = PromptLookup([[9, 1, 2, 3, 4, 50], [1, 2, 3, 60, 2, 3, 70]])
    assert copies.following([1, 2, 3, 4]) == (50, RIGHT[4])
    assert copies.following([8, 1, 2, 3]) == (60, RIGHT[3])
    assert copies.following([2, 3]) == (70, RIGHT[2])
    assert copies.following([9]) == (1, RIGHT[1])
    assert copies.following([70]) is None
    assert copies.following([]) is None
