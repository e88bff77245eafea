"""A tokenizer.json, looked through before the library gets it.

The library holds Python's lock while it reads and encodes: a file that makes it read without end, or turn a letter into
a megabyte, would stop the whole process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import tokenizers

from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.config_file import Fields
from lacuna.engine.untrusted.load_error import LoadError

VOCABULARY = 1 << 19  # tokens, where the model's own number is not known
# Of files that were looked at, a token takes at most 140 bytes and 4 values, its merge and the indentation included.
TOKEN_BYTES, TOKEN_VALUES = 256, 12
LONGEST_TOKEN = 512  # characters
_SEQUENCE_KEYS = ("normalizers", "pretokenizers", "processors", "decoders")
NORMALIZERS = frozenset({"Replace", "NFC", "Sequence"})
BYTE_LEVEL_NORMALIZERS = frozenset({"NFC", "Sequence"})  # of those of bytes, which are run without
PRE_TOKENIZERS = frozenset({"ByteLevel", "Digits", "Split", "Sequence"})
POST_PROCESSORS = frozenset({"ByteLevel", "TemplateProcessing", "Sequence"})
DECODERS = frozenset({"ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Sequence"})
# What is cut into words by another expression may take for ever: those of GPT-2, Llama 3 and Qwen 2.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2_WORDS = _WORDS % r"\p{N}"
EXPRESSIONS = frozenset(
    {
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        _WORDS % r"\p{N}{1,3}",
        QWEN2_WORDS,
    }
)


def load(path: Path, vocabulary: int = VOCABULARY, *, byte_level: bool) -> tokenizers.Tokenizer:
    """The BPE tokenizer of a file as it is, with no id beyond `vocabulary`: byte-level, or with byte fall-back.

    Raises LoadError.
    """
    content, _ = _read(path, vocabulary, byte_level=byte_level)
    loaded = _loaded(path, content)
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


def load_byte_level(path: Path, vocabulary: int = VOCABULARY) -> tuple[tokenizers.Tokenizer, dict[str, int]]:
    """The byte-level BPE alone of a file, with no id beyond `vocabulary`; and its added tokens' ids by their texts.

    The tokenizer has neither the added tokens, which text would become where the file does not call them special, nor a
    normalizer, which would change it, nor what is done to ids and offsets afterwards. Raises LoadError.
    """
    _, file = _read(path, vocabulary, byte_level=True)
    model = file["model"]
    added = {token["content"]: token["id"] for token in file.get("added_tokens") or []}
    words = {word: token for word, token in model["vocab"].items() if word not in added}
    bare = {"version": "1.0", "model": {**model, "vocab": words}, "pre_tokenizer": file["pre_tokenizer"]}
    return _loaded(path, json.dumps(bare).encode()), added


def _read(path: Path, vocabulary: int, *, byte_level: bool) -> tuple[bytes, dict[str, Any]]:
    """A file's content, and the object that it holds, checked."""
    content = config_file.read_bytes(path, (1 << 20) + TOKEN_BYTES * vocabulary)
    if sum(map(content.count, (b",", b"[", b"{"))) > (1 << 14) + TOKEN_VALUES * vocabulary:
        raise LoadError.of(path, f"holds more than a tokenizer of {vocabulary:,} tokens can")
    file = config_file.parsed(path, content)
    check(Fields(path, file), vocabulary, byte_level=byte_level)
    return content, file


def _loaded(path: Path, content: bytes) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises Exception itself
        raise LoadError.of(path, f"cannot be read ({str(error)[:200]})") from error


def check(file: Fields, vocabulary: int, *, byte_level: bool) -> None:
    """Raises LoadError for a file whose content is not that of the tokenizers that Lacuna runs."""
    _check_model(file.part("model"), vocabulary, byte_level)
    _check_added(file, vocabulary)
    if byte_level:
        _check_ids(file)
    _check_steps(file, "normalizer", BYTE_LEVEL_NORMALIZERS if byte_level else NORMALIZERS)
    _check_steps(file, "post_processor", POST_PROCESSORS)
    _check_steps(file, "decoder", DECODERS)
    cutters = _check_steps(file, "pre_tokenizer", PRE_TOKENIZERS)
    if byte_level and "ByteLevel" not in cutters:
        file.refuse("its pre_tokenizer is not of the byte-level kind, and Lacuna runs no other")


def _check_model(model: Fields, vocabulary: int, byte_level: bool) -> None:
    if model.values.get("type", "BPE") != "BPE":
        model.refuse("its model is not of the type BPE, and Lacuna runs no other")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.values.get(name):
            model.refuse(f"model.{name} is set, and Lacuna runs no tokenizer with it")
    if model.flag("byte_fallback") == byte_level:
        model.refuse(f"model.byte_fallback is {'true' if byte_level else 'false'}, which is another kind of tokenizer")
    words = model.part("vocab").values
    ids = set(words.values()) if all(type(token) is int for token in words.values()) else set()
    if len(ids) != len(words) or not ids or min(ids) < 0 or max(ids) >= vocabulary:
        model.refuse(f"model.vocab does not give each word an id of its own from 0 to {vocabulary - 1:,}")
    if max(map(len, words)) > LONGEST_TOKEN:
        model.refuse(f"model.vocab holds a word of more than {LONGEST_TOKEN} characters")
    merges = model.values.get("merges")
    if not isinstance(merges, list) or not all(map(_is_merge, merges)):
        model.refuse("model.merges is no list of pairs")


def _is_merge(merge: object) -> bool:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    return isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, str) and part for part in parts)


def _check_added(file: Fields, vocabulary: int) -> None:
    added = file.values.get("added_tokens") or []
    if not isinstance(added, list):
        file.refuse("added_tokens is no list")
    for entry in added:
        token = Fields("tokenizer.json", entry, "added_tokens.")
        token.integer("id", 0, vocabulary - 1)
        content = token.values.get("content")
        if not isinstance(content, str) or not 1 <= len(content) <= LONGEST_TOKEN:
            file.refuse(f"added_tokens holds one whose content is no text of 1 to {LONGEST_TOKEN} characters")


def _check_ids(file: Fields) -> None:
    """Each added token has an id that no other one and no word has, and no two have one text."""
    added = [(token["content"], token["id"]) for token in file.values.get("added_tokens") or []]
    texts, ids = dict(added), {token for _, token in added}
    for word, token in file.part("model").part("vocab").values.items():
        if texts.get(word, token) != token or (token in ids and word not in texts):
            file.refuse(f"added_tokens and model.vocab do not agree about {word[:40]!r}")
    if not len(texts) == len(ids) == len(added):
        file.refuse("added_tokens does not give each token a text and an id of its own")


def _check_steps(file: Fields, name: str, allowed: frozenset[str]) -> set[str]:
    """The types of a part's steps, all of them known and of a content that does no more than known ones."""
    found = set()
    for step in _steps(file, name, file.values.get(name)):
        kind = step.get("type")
        if not isinstance(kind, str) or kind not in allowed:
            file.refuse(f"{name} holds {str(kind)[:40]!r}, and Lacuna runs only {', '.join(sorted(allowed))}")
        _check_step(file, name, step)
        found.add(kind)
    return found


def _steps(file: Fields, name: str, part: Any) -> Iterator[dict[str, Any]]:
    """The part, and what it is a sequence of. One in another is not known of any tokenizer."""
    if part is None:
        return
    inner: Any = next((part[key] for key in _SEQUENCE_KEYS if key in part), []) if isinstance(part, dict) else []
    if not isinstance(part, dict) or not isinstance(inner, list) or len(inner) > 16:
        _strange(file, name)
    for step in (part, *inner):
        if not isinstance(step, dict) or (step is not part and step.get("type") == "Sequence"):
            _strange(file, name)
        yield step


def _check_step(file: Fields, name: str, step: dict[str, Any]) -> None:
    kind, pattern = step["type"], step.get("pattern")
    if pattern is not None:
        text, expression = (pattern.get("String"), pattern.get("Regex")) if isinstance(pattern, dict) else (None, None)
        known = expression in EXPRESSIONS if isinstance(expression, str) else isinstance(text, str) and len(text) == 1
        if not known:
            file.refuse(f"{name} has a pattern that is not known: {str(pattern)[:60]}")
    if kind == "Replace" and not (isinstance(step.get("content"), str) and len(step["content"]) <= 1):
        file.refuse(f"{name} replaces by more than one character")
    if kind == "Split" and step.get("behavior") == "Removed":
        file.refuse(f"{name} leaves out what it finds")
    if name == "pre_tokenizer" and kind == "ByteLevel" and step.get("add_prefix_space"):
        file.refuse(f"{name} puts a space before a text")
    if kind == "TemplateProcessing" and len(str(step.get("single", ""))) > 2000:
        file.refuse(f"{name} puts more around a text than a few tokens")


def _strange(file: Fields, name: str) -> NoReturn:
    file.refuse(f"{name} is not in a form that Lacuna knows")
