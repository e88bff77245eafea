"""Qwen 2.5's tokenizer, as far as some texts need it: as its GGUF file describes it, and as it was published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gguf import TokenType

from lacuna.engine.layers.gguf_header import Header
from lacuna.engine.store import gguf
from lacuna.engine.text.tokenizer_file import QWEN2_WORDS

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "qwen2_tokens.json").read_text(encoding="utf-8"))
FIRST, VOCABULARY = 151_643, 151_936  # the first marker's id; the rows of the model's embedding
MARKERS = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>"),
    *("<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>"),
    *("<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
]
USER_DEFINED = ("<tool_call>", "</tool_call>")
PUBLISHED_SPECIAL = 14  # the others say `special: false`


def header() -> Header:
    """Of a GGUF file, with tokens that are not used where the texts need none."""
    tokens = [f"[PAD{at}]" for at in range(VOCABULARY)]
    kinds = [TokenType.UNUSED] * VOCABULARY
    for token, at in DATA["tokens"].items():
        tokens[at], kinds[at] = token, TokenType.NORMAL
    for at, token in enumerate(MARKERS, FIRST):
        tokens[at], kinds[at] = token, TokenType.USER_DEFINED if token in USER_DEFINED else TokenType.CONTROL
    values = {"tokens": tokens, "token_type": kinds, "merges": DATA["merges"], "pre": "qwen2"}
    return Header(Path("a.gguf"), {f"tokenizer.ggml.{name}": value for name, value in values.items()}, {})


def write_converted(directory: Path) -> Path:
    """The tokenizer.json that the GGUF file becomes."""
    path = directory / "converted.json"
    gguf.tokenizer(header()).save(str(path))
    return path


def published() -> dict[str, Any]:
    """The content of the tokenizer.json in the repositories of Qwen."""
    steps = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": QWEN2_WORDS}, "behavior": "Isolated", "invert": False}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": at, "content": text, **flags, "special": at < FIRST + PUBLISHED_SPECIAL}
        for at, text in enumerate(MARKERS, FIRST)
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, steps]},
        "post_processor": steps,
        "decoder": steps,
        "model": {"type": "BPE", "vocab": DATA["tokens"], "merges": DATA["merges"], "byte_fallback": False},
    }


def write(directory: Path, content: dict[str, Any], name: str = "tokenizer.json") -> Path:
    path = directory / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
