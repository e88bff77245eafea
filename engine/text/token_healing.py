"""Token healing: the last word before a hole is taken off the prompt, and every fill is forced to spell it first.

Editors cut where tokenizers never do, and the same line cut after "return" and inside "ret" must be the same question
to the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lacuna.engine.text.byte_bpe import Tokenizer

LONGEST_HEALING_PREFIX = 64  # characters; what is before them stays read
LONGEST_MARKS = 16  # characters of brackets and the like that one word has before a line end


@dataclass(frozen=True)
class Boundary:
    """What the engine reads in place of a gap's own prefix and suffix, and how the answer comes back."""

    prefix: str  # what is left of the prefix to read, before the healing prefix
    suffix: str
    healing_prefix: bytes  # taken off the prefix: every fill spells it first
    newline: bool  # the prefix's last line end was moved to the head of the suffix

    @property
    def forced(self) -> bytes:
        """The bytes that a fill must spell first (constrained decoding)."""
        return self.healing_prefix + b"\n" if self.newline else self.healing_prefix

    def may_end(self, spelled: bytes) -> bool:
        """Whether a hole may end here: with nothing but the healing prefix (an empty answer), or with all that is
        forced."""
        return spelled == self.healing_prefix or len(spelled) >= len(self.forced)

    def answer(self, spelled: bytes) -> str:
        """The text between the gap's own prefix and suffix, of a fill that spells the healing prefix and then goes
        on."""
        assert spelled.startswith(self.healing_prefix), "a fill begins with the healing prefix"
        if len(spelled) < len(self.forced) or spelled == self.healing_prefix:
            return ""
        # A canvas may end inside a character: the bytes that are no character yet are left out.
        text = spelled[len(self.forced) :].decode("utf-8", errors="ignore")
        return text + "\n" if self.newline else text


def heal(prefix: str, suffix: str, tokenizer: Tokenizer) -> tuple[Boundary, list[int]]:
    """The boundary of a gap, and the ids of the prefix that is left."""
    found = boundary(prefix, suffix, tokenizer)
    return found, tokenizer.encode(found.prefix)


def boundary(prefix: str, suffix: str, tokenizer: Tokenizer) -> Boundary:
    """The boundary of a gap."""
    newline = prefix.endswith("\n") and not suffix.startswith("\n")
    if newline:
        prefix, suffix = prefix[:-1], "\n" + suffix
    kept = prefix[: healing_start(prefix, tokenizer)]
    healing_prefix = prefix[len(kept) :].encode("utf-8", errors="replace")
    return Boundary(kept, suffix, healing_prefix, newline)


def healing_start(prefix: str, tokenizer: Tokenizer) -> int:
    """Where the healing prefix begins: at the trailing white space, and where there is none, at the last word.

    What follows can change how a word is cut into tokens, but no word before white space, unless the tokenizer takes
    line ends into the word before them, as Qwen's does. The last *token* alone would be too little: "retu" is read as
    "ret" and "u", and no answer can then begin with the token "return".
    """
    kept = len(prefix.rstrip(" \t\n"))
    word = tokenizer.last_word(prefix[:kept])
    if kept == len(prefix) or (kept - word <= LONGEST_MARKS and tokenizer.is_in_word(prefix, kept)):
        kept = word
    return max(kept, len(prefix) - LONGEST_HEALING_PREFIX)


class Spelling:
    """Which tokens can spell given bytes within a number of tokens, where a hole has a fixed length.

    Answers are exact: a hole that takes its tokens from `allowed` can always spell all of its bytes.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.least = lru_cache(maxsize=4096)(self._least)
        self.allowed = lru_cache(maxsize=256)(self._allowed)

    def _least(self, wanted: bytes) -> int:
        """The fewest tokens that spell `wanted`, the last of which may go beyond it."""
        if not wanted:
            return 0
        return 1 + min(self.least(wanted[len(spelled) :]) for spelled in self._spelled(wanted))

    def _allowed(self, wanted: bytes, count: int) -> Tensor:
        """Ids of the tokens from which `count` tokens, that one included, can spell `wanted`, or that and more."""
        possible = [
            token
            for token in self._tokenizer.spelling(wanted)
            if self.least(wanted[len(self._tokenizer.decode([token])) :]) < count
        ]
        assert possible, f"{count} tokens cannot spell {len(wanted)} bytes"
        return torch.tensor(possible)

    def _spelled(self, wanted: bytes) -> set[bytes]:
        """What a first token can spell of `wanted`."""
        tokens = self._tokenizer.spelling(wanted)
        assert tokens, "every byte is a token"
        return {self._tokenizer.decode([token])[: len(wanted)] for token in tokens}
