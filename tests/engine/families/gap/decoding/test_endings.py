"""Where fills end when the line goes on behind them, on real weights."""

from __future__ import annotations

import pytest
from embedded import embedded, tokenizer
from lacuna.engine.api import Gap
from lacuna.engine.families.gap.session import Session
from lacuna.engine.text.token_healing import Boundary
from test_hypothesis import hypothesis_of, write

pytestmark = pytest.mark.weights


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        (
            "class Reader:\n    def __init__(self, path):\n        self.path = path\n\n    def reset(",
            ") -> None:\n        self.pos = 0\n",
            "self",
        ),
        ("class A:\n    def f(self, width):\n        return area(wi", ", 2)\n", "dth"),
        ("import os\n\nprint(os.path.join(first, sec", "))\n", "ond"),
    ],
)
def test_what_stands_behind_the_hole_is_not_written_again(prefix: str, suffix: str, expected: str) -> None:
    session = Session(embedded().denoiser, tokenizer())
    best, *_ = session.infill(Gap(prefix, suffix, "python", max_lines=1), 2, lambda: None)
    assert best.text == expected
    assert best.features.ended


def test_a_lane_is_cut_with_what_its_tokens_counted() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b"a", False))
    hypothesis.endings = [-9.0, -3.0, -2.0, -1.0]
    write(hypothesis, "a = b")
    cut = hypothesis.cut(2)
    assert (cut.spelled, cut.ended, cut.score) == (b"a =", True, pytest.approx(-0.2 * 2 - 2.0))
    assert cut.log_probabilities == [-0.1, -0.1, -2.0]
    assert hypothesis.spelled == b"a = b" and not hypothesis.ended
    assert [hypothesis.may_end(count) for count in range(3)] == [False, True, True]
