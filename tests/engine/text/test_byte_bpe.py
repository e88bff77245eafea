"""The byte-level tokenizer, on Qwen 2.5's: ids of llama.cpp and of transformers, text that is never a marker."""

from __future__ import annotations

import copy
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qwen2_tokens import DATA, FIRST, MARKERS, VOCABULARY, published, write, write_converted
from transformers import Qwen2Tokenizer

from lacuna.engine.store import model_store
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.untrusted.load_error import LoadError

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
ROOT = Path(__file__).parents[3]
texts = st.lists(st.text() | st.sampled_from(MARKERS) | st.sampled_from(["e\u0301", "\r\n", "\u212b", "  ", "1234"]))


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> list[Tokenizer]:
    """As converted and as published."""
    directory = tmp_path_factory.mktemp("qwen")
    return [Tokenizer(path, VOCABULARY) for path in (write_converted(directory), write(directory, published()))]


@pytest.fixture(scope="module")
def reference() -> Qwen2Tokenizer:
    """Transformers' own, of the same vocabulary and merges."""
    return reference_of(DATA["tokens"], DATA["merges"])


def reference_of(tokens: dict[str, int], merges: list[Any]) -> Qwen2Tokenizer:
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in merges]
    made = Qwen2Tokenizer(vocab=tokens, merges=pairs)
    made.backend_tokenizer.encode_special_tokens = True
    return made


@pytest.mark.parametrize("case", DATA["cases"], ids=lambda case: repr(case["text"][:30]))
def test_ids_are_those_of_llama_cpp(tokenizers: list[Tokenizer], case: dict[str, Any]) -> None:
    for tokenizer in tokenizers:
        assert tokenizer.encode(case["text"]) == case["ids"]


@given(st.text())
def test_ids_are_those_of_transformers(tokenizers: list[Tokenizer], reference: Qwen2Tokenizer, text: str) -> None:
    """Which runs with a normalizer."""
    text = unicodedata.normalize("NFC", text)
    for tokenizer in tokenizers:
        assert tokenizer.encode(text) == reference.backend_tokenizer.encode(text).ids


@given(texts)
def test_text_is_no_marker_and_comes_back(tokenizers: list[Tokenizer], parts: list[str]) -> None:
    text = "".join(parts)
    for tokenizer in tokenizers:
        ids, ends = tokenizer.encode_with_ends(text)
        assert ids == tokenizer.encode(text)
        assert max(ids, default=0) < FIRST
        assert tokenizer.decode(ids) == text.encode()
        assert ends == sorted(ends) and (ends[-1] if ends else 0) == len(text)


@given(st.lists(st.fixed_dictionaries({flag: st.booleans() for flag in FLAGS}), min_size=22, max_size=22))
def test_no_flag_of_a_file_makes_text_a_marker(
    tmp_path_factory: pytest.TempPathFactory, flags: list[dict[str, bool]]
) -> None:
    content = published()
    content["added_tokens"] = [token | own for token, own in zip(content["added_tokens"], flags, strict=True)]
    tokenizer = Tokenizer(write(tmp_path_factory.mktemp("flags"), content))
    text = " a".join(MARKERS)
    assert max(tokenizer.encode(text)) < FIRST
    assert tokenizer.decode(tokenizer.encode(text)) == text.encode()
    assert [tokenizer.marker(marker) for marker in MARKERS] == list(range(FIRST, FIRST + len(MARKERS)))


def test_markers(tokenizers: list[Tokenizer]) -> None:
    for tokenizer in tokenizers:
        assert tokenizer.marker("<|fim_prefix|>") == 151659
        assert tokenizer.marker("<|fim_middle|>") == 151660
        assert tokenizer.marker("<|fim_suffix|>") == 151661
        assert tokenizer.marker("<|fim_prefix|> ") is tokenizer.marker("def") is tokenizer.marker("") is None
        assert tokenizer.decode(range(FIRST, FIRST + len(MARKERS))) == b""
        assert not any(token >= FIRST for token in tokenizer.spelling(b"<"))


@given(st.lists(st.integers(-(1 << 40), 1 << 40) | st.integers(0, VOCABULARY + 10)))
def test_any_id_can_be_decoded(tokenizers: list[Tokenizer], ids: list[int]) -> None:
    """A model has more ids than its tokenizer."""
    for tokenizer in tokenizers:
        assert tokenizer.decode(ids) == b"".join(tokenizer.decode([token]) for token in ids)
        assert tokenizer.decode([FIRST + len(MARKERS), VOCABULARY - 1, VOCABULARY, -1]) == b""


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *names, last = path.split("/")
        for name in names:
            content = content[int(name)] if isinstance(content, list) else content[name]
        content[last] = value

    return change


REFUSED = {
    "an added token with a word's id": (_set("added_tokens/0/id", 64), "do not agree about"),
    "an added token with a word's text": (_set("added_tokens/0/content", "def"), "do not agree about 'def'"),
    "two with one id": (_set("added_tokens/0/id", FIRST + 1), "an id of its own"),
    "two with one text": (_set("added_tokens/0/content", MARKERS[1]), "a text and an id of its own"),
    "an id beyond the model": (_set("added_tokens/0/id", VOCABULARY), "must be a whole number"),
    "a normalizer that replaces": (
        _set("normalizer", {"type": "Replace", "pattern": {"String": " "}, "content": ""}),
        "normalizer holds 'Replace'",
    ),
    "a space before the text": (_set("pre_tokenizer/pretokenizers/1/add_prefix_space", True), "a space before a text"),
    "words that are left out": (_set("pre_tokenizer/pretokenizers/0/behavior", "Removed"), "leaves out what it finds"),
    "another expression": (_set("pre_tokenizer/pretokenizers/0/pattern", {"Regex": "(a+)+b"}), "that is not known"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_files_that_would_change_text(tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    content = copy.deepcopy(published())
    change(content)
    with pytest.raises(LoadError, match=message):
        Tokenizer(write(tmp_path, content), VOCABULARY)


@pytest.mark.weights
def test_the_whole_vocabulary_on_this_repository() -> None:
    try:
        path = model_store.find("qwen2.5-coder-0.5b") / "tokenizer.json"
    except model_store.ModelMissing as missing:
        pytest.skip(str(missing))
    tokenizer, model = Tokenizer(path, VOCABULARY), json.loads(path.read_text(encoding="utf-8"))["model"]
    words = {word: token for word, token in model["vocab"].items() if token < FIRST}
    whole = reference_of(words, model["merges"])
    for file in sorted([*ROOT.glob("engine/**/*.py"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/engine/text/*.py")]):
        text = unicodedata.normalize("NFC", file.read_text(encoding="utf-8"))
        assert tokenizer.encode(text) == whole.backend_tokenizer.encode(text).ids, file
    for case in DATA["cases"]:
        assert tokenizer.encode(case["text"]) == case["ids"]
