"""The search over written-down probabilities: which fill of a line comes first, and where branches may end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from embedded import tokenizer
from torch import Tensor

from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.search import Beam, Search
from lacuna.engine.families.gap.denoiser import Verified
from lacuna.engine.text.token_healing import Boundary

END, VOCABULARY = 0, 49152
Table = Mapping[str, Mapping[str, float]]  # by what is written, how likely each next token's text is; "" is the end


def best(table: Table, least_end: float = 0.0, fits: Callable[[bytes], bool] = lambda spelled: True) -> str:
    """The best fill of one line, all tokens that the table leaves out equally unlikely."""
    return found(table, Search(1, 3, True, least_end), 1, fits)


def best_of_lines(table: Table, fits: Callable[[bytes], bool]) -> str:
    """The same of several lines."""
    return found(table, Search(1, 1, False), 0, fits)


def found(table: Table, search: Search, lines: int, fits: Callable[[bytes], bool]) -> str:
    first = Hypothesis(8, Boundary("", "", b"", False), tokenizer(), lines, END)
    beam, active = Beam(first, [END], search, fits), [first]
    while active:
        for hypothesis in active:
            beam.advance(hypothesis, Verified({hypothesis.node: row(table, hypothesis)}, {}), None)
        active = beam.active()
    return beam.ranked()[0].spelled.decode()


def row(table: Table, hypothesis: Hypothesis) -> Tensor:
    said = {token(text): share for text, share in table[hypothesis.spelled.decode()].items()}
    rest = (1 - sum(said.values())) / (VOCABULARY - len(said))
    probabilities = torch.full((VOCABULARY,), rest)
    probabilities[list(said)] = torch.tensor(list(said.values()))
    return probabilities.log()


def token(text: str) -> int:
    if not text:
        return END
    (one,) = tokenizer().encode(text)
    return one


EMPTY_FIRST: Table = {"": {" x": 0.12, "": 0.1}, " x": {" =": 0.4}, " x =": {"": 0.99}}


def test_the_likeliest_fill_is_the_empty_one_where_no_line_is_likely() -> None:
    assert best(EMPTY_FIRST, 0.0) == ""
    assert best(EMPTY_FIRST, 0.5) == " x ="


def test_an_end_that_is_likely_enough_is_taken() -> None:
    table: Table = {"": {"": 0.6, " x": 0.4}, " x": {"": 0.99}}
    assert best(table, 0.5) == ""


def test_ends_that_are_written_in_several_ways_count_together() -> None:
    table: Table = {"": {" x": 0.99}, " x": {" =": 0.4, "": 0.3, "\n": 0.25}, " x =": {" y": 0.5}, " x = y": {"": 0.9}}
    assert best(table, 0.5) == " x"
    assert best(table, 0.6) == " x = y"


def test_what_does_not_fit_is_pruned_and_the_search_goes_on() -> None:
    table: Table = {"": {" x": 0.8, " y": 0.15}, " x": {"": 0.7, " =": 0.25}, " x =": {"": 0.99}, " y": {"": 0.99}}
    assert best(table) == " x"
    assert best(table, fits=lambda spelled: spelled != b" x") == " x ="
    assert best(table, fits=lambda spelled: b" x" not in spelled) == " y"


def test_where_nothing_fits_the_best_comes_back_all_the_same() -> None:
    table: Table = {"": {" x": 0.9, " y": 0.05}, " x": {"": 0.99}, " y": {"": 0.99}}
    assert best(table, fits=lambda spelled: b" " not in spelled) == " x"


LINES: Table = {
    "": {" a": 0.5, " z": 0.45},
    " a": {"\n": 0.9},
    " a\n": {" b": 0.6, " c": 0.3},
    " a\n b": {"\n": 0.9},
    " a\n b\n": {" d": 0.6, " e": 0.35},
    " a\n b\n d": {"": 0.9},
    " a\n b\n e": {"": 0.9},
    " a\n c": {"\n": 0.9},
    " a\n c\n": {" d": 0.9},
    " a\n c\n d": {"": 0.9},
    " z": {"": 0.9},
}


def test_the_line_under_an_error_is_denoised_anew_and_what_stands_before_it_stays() -> None:
    assert best_of_lines(LINES, lambda spelled: True) == " a\n b\n d"
    assert best_of_lines(LINES, lambda spelled: b"b" not in spelled) == " a\n c\n d"
    assert best_of_lines(LINES, lambda spelled: b"d" not in spelled) == " a\n b\n e"
    assert best_of_lines(LINES, lambda spelled: b"a" not in spelled) == " z"


def test_what_cannot_be_mended_comes_back_as_it_was() -> None:
    table: Table = {**LINES, " a\n b\n e": {"": 0.9}}
    assert best_of_lines(table, lambda spelled: b"d" not in spelled and b"e" not in spelled) == " a\n b\n d"
