"""Gemma's tokenizer: text to ids, ids to bytes, special tokens by their names."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice, takewhile
from pathlib import Path

from lacuna.engine.text import tokenizer_file
from lacuna.engine.untrusted.load_error import LoadError

SPACE = "\u2581"  # how the vocabulary writes a space
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class GemmaTokenizer:
    """A tokenizer.json with byte fall-back. Text never becomes a special token, whatever it spells.

    Raises LoadError for a file that is none, or holds an id beyond `vocabulary`.
    """

    def __init__(self, path: Path, vocabulary: int = tokenizer_file.VOCABULARY) -> None:
        self._tokenizer = tokenizer_file.load(path, vocabulary, byte_level=False)
        self._tokenizer.encode_special_tokens = True
        special = {token for token, added in self._tokenizer.get_added_tokens_decoder().items() if added.special}
        self._bytes = [b""] * (max(self._tokenizer.get_vocab().values()) + 1)
        for text, token in self._tokenizer.get_vocab().items():
            if token not in special:
                self._bytes[token] = _spelled(text)
        self._sorted = sorted((spelled, token) for token, spelled in enumerate(self._bytes) if spelled)

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Iterable[int]) -> bytes:
        """The bytes of these tokens; special tokens have none."""
        return b"".join(self._bytes[token] if token < len(self._bytes) else b"" for token in ids)

    def special(self, name: str) -> int:
        """The id of a special token. Raises LoadError where this vocabulary has none of that name."""
        token = self._tokenizer.token_to_id(name)
        if token is None:
            raise LoadError(f"tokenizer.json has no token {name!r}: it is not DiffusionGemma's")
        return int(token)

    def beginning_with(self, healing_prefix: bytes) -> list[int]:
        """Tokens that spell `healing prefix` or go on from it."""
        first = bisect_left(self._sorted, (healing_prefix, -1))
        return [
            token
            for _, token in takewhile(
                lambda entry: entry[0].startswith(healing_prefix), islice(self._sorted, first, None)
            )
        ]


def _spelled(text: str) -> bytes:
    byte = BYTE.fullmatch(text)
    return bytes([int(byte[1], 16)]) if byte else text.replace(SPACE, " ").encode("utf-8")
