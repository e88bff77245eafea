"""Drafts: the likeliest continuations, best first, and noise where reading will part from them."""

from __future__ import annotations

from math import log

import torch
from embedded import tokenizer

from lacuna.engine.families.gap.decoding import drafter
from lacuna.engine.families.gap.decoding.drafter import Drafter
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.prompt_lookup import PromptLookup
from lacuna.engine.text.token_healing import Boundary

END = 0
A, B, C, D = (tokenizer().encode(letter)[0] for letter in "abcd")
NOTHING = PromptLookup([])


def hypothesis(*guesses: dict[int, float], length: int = 12, healing_prefix: bytes = b"", lines: int = 0) -> Hypothesis:
    """`guesses`: probabilities per position from the first on."""
    made = Hypothesis(length, Boundary("", "", healing_prefix, False), tokenizer(), lines, END)
    for position, probabilities in enumerate(guesses):
        row = torch.full((49152,), -30.0)
        for token, probability in probabilities.items():
            row[token] = log(probability)
        made.proposals[position] = row
    return made


def drafts(of: Hypothesis, copies: PromptLookup = NOTHING, before: tuple[int, ...] = ()) -> drafter.Drafts:
    return Drafter(before, copies, END).draft(of)


def test_the_likeliest_continuations_are_read_best_first() -> None:
    found = drafts(hypothesis({A: 0.7, B: 0.2}, {C: 0.6, D: 0.2}))
    assert found.nodes == [(), (A,), (A, C), (B,), (A, D), (B, C)]  # 1, 0.7, 0.42, 0.2, 0.14, 0.12; (B, D) 0.04


def test_noise_stands_where_reading_will_part_from_the_drafts() -> None:
    sure = drafts(hypothesis({A: 0.95}, {B: 0.95}))
    assert next(iter(sure.masked)) == (A, B)  # nothing is known of what follows
    unsure = drafts(hypothesis({A: 0.5, B: 0.02}, {C: 0.97}, {D: 0.97}))
    assert set(unsure.masked) == {(), (A, C, D)}


def test_the_end_is_never_read_and_needs_no_noise() -> None:
    found = drafts(hypothesis({A: 0.9}, {END: 0.99}))
    assert found.nodes == [(), (A,)]
    assert next(iter(found.masked)) == ()


def test_what_stands_elsewhere_is_tried() -> None:
    copies = PromptLookup([[9, A, B, C, D, 7]])
    found = drafts(hypothesis(), copies, before=(9, A, B, C))
    assert (D,) in found.nodes
    assert (D, 7) in found.nodes


def test_what_cannot_spell_the_stub_is_not_tried() -> None:
    found = drafts(hypothesis({A: 0.9}, healing_prefix=b"d"), PromptLookup([[9, A]]), before=(9,))
    assert found.nodes == [()]
    assert (D,) in drafts(hypothesis({A: 0.9, D: 0.001}, healing_prefix=b"d")).nodes  # nothing else is possible


def test_nothing_is_read_where_a_lane_has_ended() -> None:
    newline = tokenizer().encode("\n")[0]
    assert drafts(hypothesis({newline: 0.9}, {A: 0.9}, lines=1)).nodes == [()]
    full = drafts(hypothesis({A: 0.9}, {B: 0.9}, length=2))
    assert full.nodes == [(), (A,)]
    assert not full.masked.get((A,))


def test_decided_tokens_are_where_drafts_begin() -> None:
    made = hypothesis({A: 0.9}, {B: 0.9}, {C: 0.9})
    made.accept(0, A, 0.0, 0.0)
    assert drafts(made).nodes == [(A,), (A, B), (A, B, C)]


def test_a_copy_that_is_likelier_is_drafted_further_up_to_so_many_tokens() -> None:
    line = [(A, B, C, D)[at // 6] if at % 2 else 100 + at for at in range(24)]
    source = [[9, *line]]
    usual = Drafter((9,), PromptLookup(source), END).draft(hypothesis(length=30))
    sure = dict.fromkeys((4, 3, 2, 1), 0.95)
    longer = Drafter((9,), PromptLookup(source, sure), END, most=20).draft(hypothesis(length=30))
    assert len(usual.nodes) < len(longer.nodes) == 21, "what is decided, and 20 tokens"
    assert longer.nodes[-1] == tuple(line[:20])
