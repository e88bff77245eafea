"""Byte-level BPE: text to ids, ids to bytes, and which tokens can begin a given spelling."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from lacuna.engine.text import tokenizer_file
from lacuna.engine.untrusted.load_error import LoadError

LONGEST_WORD = 200  # characters looked at for the last word


class Tokenizer:
    """A tokenizer.json of the byte-level kind. Text never becomes an added token, whatever it spells and whatever the
    file says of that token; and all of it comes back, to the byte, from `decode(encode(text))`, where the vocabulary
    has every byte that text can have: SmolLM2's lacks six control characters, and U+40000 to U+BFFFF.

    Raises LoadError for a file that is none, or holds an id beyond `vocabulary`.
    """

    def __init__(self, path: Path, vocabulary: int = tokenizer_file.VOCABULARY) -> None:
        # A file that spells "<|endoftext|>" must not end a hole, and one that spells "<|fim_suffix|>" not begin one.
        self._tokenizer, self._added = tokenizer_file.load_byte_level(path, vocabulary)
        self._bytes = self._vocabulary(path)
        # Numbers alone: pairs of spelling and token would take 5 MB more.
        spelled = (token for token, spelled in enumerate(self._bytes) if spelled)
        self._order = array("i", sorted(spelled, key=self._bytes.__getitem__))
        self.spelling = lru_cache(maxsize=256)(self._spelling)

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_with_ends(self, text: str) -> tuple[list[int], list[int]]:
        """Ids, and per id the character offset behind it: of a character in several tokens, behind the character."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return list(encoded.ids), [end for _, end in encoded.offsets]

    def last_word(self, text: str) -> int:
        """Where the last word begins, of those that are cut into tokens one by one (with the space before them)."""
        tail = text[-LONGEST_WORD:]
        words = self._tokenizer.pre_tokenizer.pre_tokenize_str(tail)
        return len(text) - len(tail) + (words[-1][1][0] if words else 0)

    def is_in_word(self, text: str, at: int) -> bool:
        """Whether an offset near the end of a text lies inside such a word."""
        start = max(0, at - LONGEST_WORD)
        words = self._tokenizer.pre_tokenizer.pre_tokenize_str(text[start:])
        return any(begin < at - start < end for _, (begin, end) in words)

    def decode(self, ids: Iterable[int]) -> bytes:
        """The bytes of these tokens. Added tokens have none, and neither have ids that a model has and its tokenizer
        has not."""
        return b"".join(self._bytes[token] for token in ids if 0 <= token < len(self._bytes))

    def marker(self, text: str) -> int | None:
        """The id of the added token with exactly this text, if there is one."""
        return self._added.get(text)

    def _spelling(self, wanted: bytes) -> tuple[int, ...]:
        """Ids of the tokens that spell a beginning of `wanted`, or all of it and more. `wanted` is not empty."""
        shorter = [self._find(wanted[:length]) for length in range(1, len(wanted))]
        found = [token for token in shorter if token is not None]
        for at in range(self._place(wanted), len(self._order)):
            if not self._bytes[self._order[at]].startswith(wanted):
                break
            found.append(self._order[at])
        return tuple(found)

    def _find(self, spelled: bytes) -> int | None:
        at = self._place(spelled)
        return self._order[at] if at < len(self._order) and self._bytes[self._order[at]] == spelled else None

    def _place(self, spelled: bytes) -> int:
        """Where a token of this spelling stands in the order, or would stand."""
        return bisect_left(self._order, spelled, key=self._bytes.__getitem__)

    def _vocabulary(self, path: Path) -> list[bytes]:
        byte_of = {character: byte for byte, character in _byte_characters().items()}
        words = self._tokenizer.get_vocab(with_added_tokens=False)
        vocabulary = [b""] * (max(words.values()) + 1)
        for text, token in words.items():
            if not byte_of.keys() >= set(text):
                raise LoadError.of(path, f"{text[:40]!r} is no spelling of bytes")
            vocabulary[token] = bytes(byte_of[character] for character in text)
        return vocabulary


def _byte_characters() -> dict[int, str]:
    """The characters that byte-level BPE writes for bytes (GPT-2): printable ones stand for themselves, others from
    U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + rank) for rank, byte in enumerate(others)}
