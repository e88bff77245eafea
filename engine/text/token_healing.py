"""Token healing: editors cut where tokenizers never do, so the text around a hole is put back where tokens begin.

The same line cut after "return" and inside "ret" must be the same question to the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from lacuna.engine.text.byte_bpe import Tokenizer

LONGEST_HEALING_PREFIX = 64  # characters; what is before them stays read


@dataclass(frozen=True)
class Boundary:
    """What the engine reads in place of a gap's own prefix and suffix, and how the answer comes back."""

    prefix: str  # what is left of the prefix to read, before the healing prefix
    suffix: str
    healing_prefix: bytes  # taken off the prefix: every fill spells it first
    newline: bool  # the prefix's last line end was moved to the head of the suffix

    @property
    def required(self) -> bytes:
        """What a fill must spell before it is free."""
        return self.healing_prefix + b"\n" if self.newline else self.healing_prefix

    def may_end(self, spelled: bytes) -> bool:
        """Whether a hole may end here: with nothing but the healing prefix (an empty answer), or with all that is
        required."""
        return spelled == self.healing_prefix or len(spelled) >= len(self.required)

    def answer(self, spelled: bytes) -> str:
        """The text between the gap's own prefix and suffix, of a fill that spells the healing prefix and then goes
        on."""
        assert spelled.startswith(self.healing_prefix), "a fill begins with the healing prefix"
        if len(spelled) < len(self.required) or spelled == self.healing_prefix:
            return ""
        # A canvas may end inside a character: the bytes that are no character yet are left out.
        text = spelled[len(self.required) :].decode("utf-8", errors="ignore")
        return text + "\n" if self.newline else text


def heal(prefix: str, suffix: str, tokenizer: Tokenizer) -> tuple[Boundary, list[int]]:
    """The boundary of a gap, and the ids of the prefix that is left."""
    newline = prefix.endswith("\n") and not suffix.startswith("\n")
    if newline:
        prefix, suffix = prefix[:-1], "\n" + suffix
    kept = prefix[: healing_start(prefix, tokenizer)]
    healing_prefix = prefix[len(kept) :].encode("utf-8", errors="replace")
    return Boundary(kept, suffix, healing_prefix, newline), tokenizer.encode(kept)


def healing_start(prefix: str, tokenizer: Tokenizer) -> int:
    """Where the healing prefix begins: at the trailing white space, and where there is none, at the last word.

    What follows can change how a word is cut into tokens, but no word before white space. The last *token* alone would
    be too little: "retu" is read as "ret" and "u", and no answer can then begin with the token "return".
    """
    kept = prefix.rstrip(" \t\n")
    if len(kept) < len(prefix):
        return max(len(kept), len(prefix) - LONGEST_HEALING_PREFIX)
    return max(tokenizer.last_word(prefix), len(prefix) - LONGEST_HEALING_PREFIX)
