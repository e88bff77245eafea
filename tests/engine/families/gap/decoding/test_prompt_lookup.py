"""Copied drafts: the longest earlier match decides, the latest of equals."""

from __future__ import annotations

from lacuna.engine.families.gap.decoding.prompt_lookup import RIGHT, PromptLookup


def test_what_followed_the_longest_match_comes_next_and_the_latest_of_them() -> None:
    copies = PromptLookup([[9, 1, 2, 3, 4, 50], [1, 2, 3, 60, 2, 3, 70]])
    assert copies.following([1, 2, 3, 4]) == (50, RIGHT[4])
    assert copies.following([8, 1, 2, 3]) == (60, RIGHT[3])
    assert copies.following([2, 3]) == (70, RIGHT[2])
    assert copies.following([9]) == (1, RIGHT[1])
    assert copies.following([70]) is None
    assert copies.following([]) is None
