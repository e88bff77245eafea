"""What is read of a gap before its canvas, and in which order: a layout makes a prompt of a gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lacuna.engine.api import Gap
from lacuna.engine.families.gap.prefix_window import PrefixWindow
from lacuna.engine.text import token_healing
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Boundary


@dataclass(frozen=True)
class Prompt:
    boundary: Boundary
    read: list[int]  # tokens of the KV context; the canvas stands behind the last of them
    suffix: list[int]  # tokens of what follows the hole


class Layout(Protocol):
    """Of one document: it remembers what it read, so that the next prompt begins with the same tokens."""

    def prompt(self, gap: Gap) -> Prompt: ...


class TwoReads:
    """The prefix alone is the prompt; the suffix is prefilled apart."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._window = PrefixWindow(tokenizer)

    def prompt(self, gap: Gap) -> Prompt:
        text = self._window.cut(gap.prefix, gap.snippets)
        boundary, prefix = token_healing.heal(text, gap.suffix, self._tokenizer)
        return Prompt(boundary, prefix, self._tokenizer.encode(boundary.suffix))
