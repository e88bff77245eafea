"""The FIM layout: what typing, jumps and edits elsewhere change of a prompt, and that nothing is lost of the text."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import embedded
import pytest
from tiny_model import write_tiny_fim_model

from lacuna.engine.api import Gap, Snippet
from lacuna.engine.families.gap.fim import templates
from lacuna.engine.families.gap.fim.layout import (
    LINES,
    MIDDLE_CHARACTERS,
    PATH_TOKENS,
    SUFFIX_TOKENS,
    FimLayout,
    split,
)
from lacuna.engine.families.gap.kv_context import FIM_PREFIX_TOKENS
from lacuna.engine.families.shared.common_prefix import common_prefix
from lacuna.engine.text.byte_bpe import Tokenizer

LINES_OF_CODE = [f"value_{number} = compute({number})\n" for number in range(12)]
PREFIX, SUFFIX = "".join(LINES_OF_CODE), "\nprint(value_3)\n"


@cache
def tokenizer() -> Tokenizer:
    with TemporaryDirectory() as directory:
        return Tokenizer(write_tiny_fim_model(Path(directory)) / "tokenizer.json")


def layout() -> FimLayout:
    return FimLayout(tokenizer(), templates.markers(tokenizer().marker))


def read(made: FimLayout, prefix: str, suffix: str = SUFFIX) -> list[int]:
    return made.prompt(Gap(prefix, suffix)).read


def test_a_prompt_has_all_of_the_text_in_the_order_of_the_base() -> None:
    marks = templates.markers(tokenizer().marker)
    prompt = layout().prompt(Gap(PREFIX + "last = ", SUFFIX))
    assert prompt.read[0] == marks.prefix
    at, middle = prompt.read.index(marks.suffix), prompt.read.index(*marks.middle)
    before, after = prompt.read[1:at], prompt.read[middle + 1 :]
    assert (
        tokenizer().decode([*before, *after]).decode() + prompt.boundary.healing_prefix.decode() == PREFIX + "last = "
    )
    assert tokenizer().decode(prompt.read[at + 1 : middle]).decode() == SUFFIX
    assert tokenizer().decode(after).decode().count("\n") == LINES


def test_typing_only_appends() -> None:
    made, typed = layout(), "total = sum(values)\nprint(total)\n"
    last = read(made, PREFIX)
    for count in range(1, len(typed) + 1):
        present = read(made, PREFIX + typed[:count])
        shorter = min(len(last), len(present))
        assert common_prefix(last, present) >= shorter - len("print(total)"), "only what is spelled again is lost"
        last = present


@pytest.mark.parametrize("closers", [")", "])", '"', "'])}"])
def test_closers_that_an_editor_puts_behind_the_cursor_change_nothing(closers: str) -> None:
    made, plain = layout(), layout()
    for end in ("total = ", "total = f", "total = f(", "total = f(a", "total = f(a, b"):
        behind = closers if "(" in end else ""
        assert read(made, PREFIX + end, behind + SUFFIX) == read(plain, PREFIX + end, SUFFIX)
    typed_over = PREFIX + "total = f(a, b" + closers
    assert read(made, typed_over, SUFFIX) == read(plain, typed_over, SUFFIX)


@pytest.mark.parametrize("behind", [")", "x", "),", ") + 1", "))))))"])
def test_whatever_else_stands_behind_the_cursor_is_read(behind: str) -> None:
    made = layout()
    read(made, PREFIX + "total = f", "\nelsewhere()\n" if behind == ")" else SUFFIX)
    gap = (PREFIX + "total = f(", behind + SUFFIX)
    assert read(made, *gap) == read(layout(), *gap)


def test_a_jump_keeps_what_is_before_both_places() -> None:
    made = layout()
    first = read(made, PREFIX * 2, SUFFIX)
    second = read(made, PREFIX * 2 + PREFIX, "\nelsewhere\n")
    assert common_prefix(first, second) >= first.index(templates.markers(tokenizer().marker).suffix)


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        (PREFIX + "x = ", "\nchanged()\n"),
        (PREFIX.replace("value_1 ", "value_one ") + "x = ", SUFFIX),
    ],
)
def test_what_was_split_otherwise_is_split_anew(prefix: str, suffix: str) -> None:
    made = layout()
    read(made, PREFIX + "x = ")
    assert read(made, prefix, suffix) == read(layout(), prefix, suffix)


def test_a_middle_that_has_grown_long_is_split_anew() -> None:
    made, text = layout(), PREFIX
    marks, longest = templates.markers(tokenizer().marker), 0
    for number in range(120):
        text += f"more_{number} = compute({number})\n"
        prompt = read(made, text)
        longest = max(longest, len(prompt) - prompt.index(*marks.middle))
    assert longest <= MIDDLE_CHARACTERS + 1
    assert longest > 300, "it does grow"


def test_of_a_long_suffix_the_head_is_read() -> None:
    assert len(layout().prompt(Gap("x = ", "y = 1\n" * 500)).suffix) == SUFFIX_TOKENS


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("a", 0), ("a\nb\nc", 2), ("\n\nb\nc\n", 2), ("a\n\nb", 3), ("x" * 5000, 0)],
)
def test_split_is_at_a_line_that_is_not_blank(text: str, expected: int) -> None:
    assert split(text, 1) == expected


OTHERS = (Snippet("def compute(value): ...\n", "compute.py"), Snippet("limit = 3\n", "limits.py"))


def test_other_files_stand_before_the_prompt_behind_file_markers() -> None:
    marks, encode = templates.markers(tokenizer().marker), tokenizer().encode
    alone = read(layout(), PREFIX)
    prompt = layout().prompt(Gap(PREFIX, SUFFIX, snippets=OTHERS, path="main.py")).read
    first, second = encode("compute.py\ndef compute(value): ...\n"), encode("limits.py\nlimit = 3\n")
    assert marks.file is not None
    files = [marks.file, *first, marks.file, *second, marks.file, *encode("main.py\n")]
    assert prompt == [*files, *alone]


def test_a_base_that_knows_no_files_reads_snippets_as_text() -> None:
    marks = replace(templates.markers(tokenizer().marker), file=None)
    prompt = FimLayout(tokenizer(), marks).prompt(Gap(PREFIX, SUFFIX, snippets=OTHERS, path="main.py")).read
    before = prompt[1 : prompt.index(marks.suffix)]
    head = "def compute(value): ...\n\nlimit = 3\n\n"
    assert tokenizer().decode(before).decode().startswith(head + "value_0")


def test_snippets_stay_with_their_window() -> None:
    made = layout()
    first = made.prompt(Gap(PREFIX, SUFFIX, snippets=OTHERS, path="a.py")).read
    second = made.prompt(Gap(PREFIX + "x", SUFFIX, snippets=(Snippet("other = 1\n", "b.py"),), path="a.py")).read
    assert second[: len(first)] == first


def test_the_longest_prompt_with_other_files_fits_a_context() -> None:
    text = "".join(f"value_{number} = compute(value_{number - 1}, {number})\n" for number in range(400))
    others = tuple(Snippet(text[: 200 * count], "x/" * 59 + str(count)) for count in (1, 2, 3))
    gap = Gap(text, text, snippets=others, path="y/" * 60)
    made = FimLayout(
        embedded.tokenizer(),
        templates.markers(
            {"<|fim_prefix|>": 1, "<|fim_suffix|>": 2, "<|fim_middle|>": 3, "<|endoftext|>": 0, "<|file_sep|>": 4}.get
        ),
    )
    assert len(made.prompt(gap).read) <= FIM_PREFIX_TOKENS


def test_of_a_long_path_the_end_is_told() -> None:
    others = (Snippet("limit = 3\n", "sha256/" + "0123456789abcdef" * 4 + "/limits.py"),)
    prompt = layout().prompt(Gap(PREFIX, SUFFIX, snippets=others, path="main.py")).read
    told = tokenizer().decode(prompt[1 : 1 + PATH_TOKENS]).decode()
    assert told.endswith("limits.py") and len(told) < 20
