"""Bodies of other editors' plugins, taken apart. No model."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lacuna.engine.api import Snippet
from lacuna.engine.families.remote.dialects.dialect import Asked
from lacuna.engine.families.remote.templates import TEMPLATES
from lacuna.lsp_server.endpoint.wanted import MOST_TOKENS, TOKENS, BadBody, of_completion, of_infill


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_prompt_of_every_template_is_taken_apart(name: str) -> None:
    prefix, suffix = "def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n"
    found = of_completion({"prompt": TEMPLATES[name].prompt(Asked(prefix, suffix, 8))})
    assert (found.prefix, found.suffix) == (prefix, suffix)


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_the_model_is_to_go_on_with_is_the_end_of_the_prefix(name: str) -> None:
    asked = Asked("import os\n", "\n\nprint(add(1, 2))\n", 8, middle="def add(a, b):\n    return ")
    found = of_completion({"prompt": TEMPLATES[name].prompt(asked)})
    assert (found.prefix, found.suffix) == (asked.before, asked.suffix)


def test_code_that_speaks_of_markers_is_code() -> None:
    code = 'PRE = "<fim_prefix>"\nSUF = "<fim_suffix>"\nMID = "<fim_middle>"\nprint('
    assert of_completion({"prompt": code}).prefix == code


def test_other_files_of_a_prompt_are_snippets() -> None:
    snippets = (Snippet("far = 1", "far.py"), Snippet("near = 2", "near.py"))
    prompt = TEMPLATES["qwen2.5-coder"].prompt(Asked("x = ", "\n", 8, snippets, "a.py"))
    found = of_completion({"prompt": prompt})
    assert (found.prefix, found.suffix, found.path, found.snippets) == ("x = ", "\n", "a.py", snippets)


def test_a_prompt_without_markers_is_a_prefix() -> None:
    assert of_completion({"prompt": "x = "}).prefix == "x = "
    half = of_completion({"prompt": "x = '<|fim_prefix|>'"})
    assert half.prefix == "x = '<|fim_prefix|>'" and half.suffix == ""


def test_the_last_markers_are_the_prompts() -> None:
    source = "MARK = '<|fim_suffix|>'\nOTHER = '<|fim_prefix|>'\nx = "
    found = of_completion({"prompt": "<|fim_prefix|>MARK = '<|fim_suffix|>'\nx = <|fim_suffix|>\nEND<|fim_middle|>"})
    assert (found.prefix, found.suffix) == ("MARK = '<|fim_suffix|>'\nx = ", "\nEND")
    told = of_completion({"prompt": source, "suffix": ""})
    assert (told.prefix, told.suffix) == (source, ""), "whoever tells a suffix tells no prompt with markers"


def test_a_hostile_prompt_takes_no_time() -> None:
    start = time.process_time()
    for piece in ("<|fim_prefix|><|fim_suffix|><|fim_middle|>", "<|fim_prefix|>", "<|file_sep|>", "[SUFFIX][PREFIX]"):
        of_completion({"prompt": piece * 50_000 + "x"})
        of_completion({"prompt": piece * 50_000 + "<|fim_prefix|><|fim_suffix|><|fim_middle|>"})
    assert time.process_time() - start < 10.0, "it was cubic: hours"


def test_line_ends_and_odd_signs_are_the_engines_and_line_ends_go_back() -> None:
    found = of_completion({"prompt": "a\r\nb\ud800", "suffix": "\r\n", "stop": ["\n\n"]})
    assert (found.prefix, found.suffix, found.newline) == ("a\nb\ufffd", "\n", "\r\n")
    assert found.cut("x\ny\n\nz") == "x\r\ny"
    assert (
        of_completion({"segments": {"prefix": "a\r\nb"}}).newline
        == of_completion({"prompt": ["a\r\n"]}).newline
        == "\r\n"
    )
    assert of_infill({"input_prefix": "a", "input_suffix": "\r\n"}).newline == "\r\n"
    extra = of_infill({"input_extra": [{"filename": "\ud800.py", "text": "\ud800\r\n"}]}).snippets
    assert extra == (Snippet("\ufffd\n", "\ufffd.py"),)


def test_notes_that_are_not_in_the_file_are_left_out() -> None:
    found = of_completion({"prompt": "# language: python\n# indentation: 4 spaces\nx = ", "suffix": "\n"})
    assert found.prefix == "x = "
    assert of_completion({"prompt": "# a comment\nx = ", "suffix": "\n"}).prefix == "# a comment\nx = "


@pytest.mark.parametrize(
    ("said", "tokens"),
    [(None, TOKENS), (-1, TOKENS), (8, 8), (10**9, MOST_TOKENS), ("8", TOKENS), (True, TOKENS), (0, 0)],
)
def test_limits_are_bounded(said: Any, tokens: int) -> None:
    assert of_completion({"prompt": "x", "max_tokens": said}).max_tokens == tokens
    assert of_infill({"n_predict": said}).max_tokens == tokens


MARKERS = sorted({marker for template in TEMPLATES.values() for marker in (*template.markers, *template.stops)})
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=8)
    | st.lists(st.sampled_from(MARKERS), max_size=6).map("x".join),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=8), some, max_size=3),
    max_leaves=6,
)
NAMES = (
    "prompt", "suffix", "input_prefix", "input_suffix", "input_extra", "n_predict", "max_tokens", "stop", "options",
    "segments", "n", "n_cmpl", "stream",
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8))
def test_whatever_is_sent_is_taken_or_refused_in_words(body: dict[str, Any]) -> None:
    for read in (of_infill, of_completion):
        try:
            found = read(body)
        except BadBody:
            continue
        assert 0 <= found.max_tokens <= MOST_TOKENS and all(found.stops)
        (found.prefix + found.suffix + "".join(one.text + one.path for one in found.snippets)).encode()
        assert "\r" not in found.prefix + found.suffix
