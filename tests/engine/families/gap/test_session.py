"""A session on real weights: same gap same fill, reuse, stopping, boundaries, long holes, drafts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from embedded import embedded, tokenizer
from tiny_model import write_tiny_model

from lacuna.engine.api import Frame, Gap, Infill, Stopped
from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading, long_fill
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.kv_context import CHUNK
from lacuna.engine.families.gap.long_fill import Part
from lacuna.engine.families.gap.session import Session, _distinct
from lacuna.engine.text.token_healing import Boundary

pytestmark = pytest.mark.weights

PREFIX = """import json


def load_config(path):
    with open(path) as f:
        return json.load(f)


def save_config(path, config):
    with open(path, "w") as f:
        json.d"""
GAP = Gap(PREFIX, "\n\n\ndef main():\n    save_config('config.json', {})\n", "python", max_lines=1)


def session() -> Session:
    return Session(embedded().denoiser, tokenizer())


def fill(gap: Gap, at: Session | None = None) -> str:
    return (at or session()).infill(gap, 1, lambda: None)[0].text


def test_the_same_gap_gives_the_same_fill_whatever_was_read_before() -> None:
    worn = session()
    for cut in (40, 90, len(PREFIX) - 3, 70):
        fill(replace(GAP, prefix=PREFIX[:cut]), worn)
    assert fill(GAP, worn) == fill(GAP)


def test_typing_reads_only_what_is_new() -> None:
    at = session()
    fill(replace(GAP, prefix=PREFIX[:-4]), at)
    context = at._contexts[-1]
    read: list[int] = []
    original = context.prefill_prefix
    context.prefill_prefix = lambda prefix, check: read.append(original(prefix, check)) or read[-1]  # type: ignore[method-assign]
    fill(GAP, at)
    assert read
    assert sum(read) <= 4


def test_what_was_read_ahead_is_not_read_again() -> None:
    at = session()
    at.prefill(GAP, lambda: None)
    context = at._contexts[-1]
    read: list[int] = []
    original = context.prefill_prefix
    context.prefill_prefix = lambda prefix, check: read.append(original(prefix, check)) or read[-1]  # type: ignore[method-assign]
    assert fill(GAP, at) == fill(GAP)
    assert read == [0] and len(at._contexts) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "from pathlib import Path\n\n\ndef read(path):\n    with open(path) as f:\n",
            "\n\n\ndef write(path, text):\n    pass\n",
        ),
        (
            "class Point:\n    def __init__(self, x, y):\n        self.x = x\n",
            "\n\n    def norm(self):\n        return self.x\n",
        ),
    ],
)
def test_a_line_cut_at_any_character_comes_back_whole(before: str, after: str) -> None:
    """The fill of the empty line is the line; cut anywhere inside it, its rest is filled in."""
    at = session()
    line = fill(Gap(before, after, "python", max_lines=1), at)
    assert len(line.strip()) > 5
    wholes = [
        line[:cut] + fill(Gap(before + line[:cut], after, "python", max_lines=1), at) for cut in range(1, len(line))
    ]
    # With the last token alone as the healing prefix, 2 of 24 cuts of "        return f.read()" came back as something
    # else.
    assert [whole for whole in wholes if whole != line] == []


def test_the_stop_flag_is_seen_between_chunks_and_what_was_read_stays() -> None:
    at, calls = session(), 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Stopped

    long = replace(GAP, prefix="".join(f"value_{n} = {n}\n" for n in range(80)))
    with pytest.raises(Stopped):
        at.infill(long, 1, check)
    assert len(at._contexts[-1].ids) == 2 * CHUNK
    assert fill(long, at) == fill(long)


@torch.inference_mode()
def test_a_prefix_that_was_shortened_and_stopped_is_read_to_its_end_again() -> None:
    def stop() -> None:
        raise Stopped

    context, fresh = embedded().denoiser.context(), embedded().denoiser.context()
    context.prefill_prefix([100, 200, 300], lambda: None)
    with pytest.raises(Stopped):
        context.prefill_prefix([100, 200, 400], stop)
    for each in (context, fresh):
        each.prefill_prefix([100], lambda: None)
    torch.testing.assert_close(context.next_log_probabilities, fresh.next_log_probabilities, atol=1e-3, rtol=0)


def test_a_stub_may_take_more_than_one_canvas() -> None:
    """A word is what has no white space in it: of Chinese it may be a line."""
    at, healing_prefix = session(), "\u5b57\u7b26" * 20
    gap = Gap(f"# {healing_prefix}", "\n", "python", max_lines=1)
    assert len(tokenizer().encode(healing_prefix)) > 32
    parts: list[Part] = []
    longer = at._longer
    at._longer = lambda *given: parts.extend(longer(*given)) or parts  # type: ignore[method-assign, func-returns-value]
    at.infill(gap, 1, lambda: None)
    assert len(parts) > 1
    spelled, required = b"".join(part.hypothesis.spelled for part in parts), parts[0].boundary.forced
    assert spelled.startswith(required) or required.startswith(spelled)  # it may run out of tokens


def test_of_fills_that_read_alike_the_best_one_stays_where_it_is() -> None:
    features = session().infill(GAP, 1, lambda: None)[0].features
    best, other, again = (Infill(text, sure, 1, 1, features) for text, sure in (("a", 0.9), ("b", 0.5), ("a", 0.1)))
    assert _distinct([best, other, again]) == [best, other]


def test_a_long_hole_is_filled_canvas_after_canvas(tmp_path: Path) -> None:
    gap = Gap("class Stack:\n    def __init__(self):\n", "", "python", max_tokens=40)
    model = write_tiny_model(tmp_path, endless=True)  # its canvas of 16 tokens hardly ever ends by itself
    filled = loading.load(str(model), runtime.choose(device="cpu", dtype="float32"))
    (infill,) = Session(filled.denoiser, filled.tokenizer).infill(gap, 1, lambda: None)
    assert infill.features.tokens > 16
    assert "".join(text for text, _ in infill.pieces) == infill.text
    assert len(infill.pieces) <= gap.max_tokens + 1  # the line end that the boundary moved


def _option(number: int) -> str:
    return (
        f"    parser.add_argument('--option-{number}', type=int, default={number}, required=False, "
        f"dest='option_{number}', metavar='N', help='the number of {number}s that should be used')\n"
    )


DAYS = "'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'"
LONGER_THAN_A_CANVAS = {
    "a call": Gap(
        "def main():\n" + "".join(map(_option, (1, 2, 3))) + "    ", "\n    return 1\n", "python", max_lines=1
    ),
    "a tuple": Gap(f"WEEK = ({DAYS}, {DAYS})\nDAYS = ", "\n\nprint(WEEK)\n", "python", max_lines=1),
    "an array": Gap(
        f"const week = [{DAYS}, {DAYS}];\nconst days = ", "\n\nexport { days };\n", "javascript", max_lines=1
    ),
    "in a call": Gap("".join(map(_option, (1, 2, 3))) + "    parser.add_argument(", "\n", "python", max_lines=1),
    "lines": Gap("".join(map(_option, (1, 2, 3))), "    return parser\n", "python", max_lines=8),
}


@pytest.mark.parametrize("name", LONGER_THAN_A_CANVAS)
def test_every_choice_goes_on_to_its_own_end(name: str) -> None:
    """What the best becomes does not depend on how many were asked for, and none is broken off at a canvas' edge."""
    long = replace(LONGER_THAN_A_CANVAS[name], max_tokens=100)
    alone, *_ = session().infill(long, 3, lambda: None)
    infills = session().infill(replace(long, n_best=3), 3, lambda: None)
    assert (infills[0].text, infills[0].features.tokens) == (alone.text, alone.features.tokens)
    assert infills[0].confidence == pytest.approx(alone.confidence, abs=0.05)
    assert max(infill.features.tokens for infill in infills) > 32
    for infill in infills:
        assert infill.features.ended
        assert "".join(text for text, _ in infill.pieces) == infill.text
        assert infill.features.mean * infill.features.tokens >= infill.features.least * (infill.features.tokens + 1)


def test_choices_that_run_out_of_tokens_are_cut_to_their_lines_or_left_out() -> None:
    for name in ("a call", "lines"):
        short = replace(LONGER_THAN_A_CANVAS[name], max_tokens=33, n_best=3)
        _, *others = session().infill(short, 3, lambda: None)
        assert all(infill.features.ended or infill.text.count("\n") for infill in others), name
    parts = [_part("a = 1\nb = "), _part("2\nc = (1,")]
    assert long_fill.spelled(long_fill.whole_lines(parts, tokenizer())) == b"a = 1\nb = 2"
    assert long_fill.features(long_fill.whole_lines(parts, tokenizer())).tokens == len(
        tokenizer().encode("a = 1\nb = 2")
    )
    assert long_fill.whole_lines([*parts[:1], _part("(1, 2, ")], tokenizer())[0].spelled == b"a = 1"
    assert long_fill.whole_lines([_part("foo(1, 2,")], tokenizer()) == []


def _part(text: str) -> Part:
    """A canvas that was filled to its edge."""
    tokens, boundary = tokenizer().encode(text), Boundary("", "", b"", False)
    hypothesis = Hypothesis(len(tokens), boundary, tokenizer(), 0, -1)
    for at, token in enumerate(tokens):
        hypothesis.accept(at, token, -0.1, -0.1)
    return Part(hypothesis, boundary)


def test_drafts_differ_and_the_likeliest_comes_first() -> None:
    infills = session().infill(replace(GAP, n_best=3), 3, lambda: None)
    assert len({infill.text for infill in infills}) == len(infills) >= 2
    scores = [infill.features.score for infill in infills]
    assert scores == sorted(scores, reverse=True)


def test_a_line_that_was_written_before_is_copied() -> None:
    body = "    total = compute_everything(alpha=left, beta=right)\n    log_result(total)\n"
    prefix = f"def first():\n{body}\n\ndef second():\n    total = compute_everything("
    assert fill(Gap(prefix, "\n", "python", max_lines=1)) == "alpha=left, beta=right)"


def test_an_empty_document_and_odd_text_are_filled_with_something() -> None:
    for prefix, suffix in (
        ("", ""),
        ("\x00", "\x00"),
        ("é😀", "😀"),
        ("\n", ""),
        (" " * 300, ""),
        ("<|endoftext|>", "<|im_end|>"),
    ):
        assert isinstance(fill(Gap(prefix, suffix)), str)


def test_every_step_shows_a_frame() -> None:
    frames: list[Frame] = []
    (infill,) = session().infill(GAP, 1, lambda: None, frames.append)
    assert [frame.step for frame in frames] == list(range(1, infill.steps + 1))
    assert len({len(frame.cells) for frame in frames}) == 1


def test_the_last_frame_shows_the_best_fill() -> None:
    frames: list[Frame] = []
    infill, *_ = session().infill(GAP, 3, lambda: None, frames.append)
    shown = "".join(text for text, _ in frames[-1].cells if text is not None)
    assert shown.partition("\n")[0] == infill.text
