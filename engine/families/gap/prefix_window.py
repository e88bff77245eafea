"""The prefix window: where the prompt begins. It starts at a line and moves in jumps, so that the prompt keeps a stable
prefix, whose KV cache stays valid, while one types."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lacuna.engine.api import Snippet
from lacuna.engine.text.byte_bpe import Tokenizer

WINDOW = 512  # tokens a window may hold
JUMP = WINDOW // 4  # tokens that a new window leaves free, to be typed into before the next jump
OPENING = 256  # characters by which a window is found again after edits above it
SNIPPETS = 192  # tokens of snippets at the head of a window


class PrefixWindow:
    """Remembers its own beginning as text, so it needs no line numbers and stands still while lines above it move."""

    def __init__(self, tokenizer: Tokenizer, tokens: int = WINDOW) -> None:
        """`tokens` that a window may hold; a new one leaves a quarter of them free."""
        self._tokenizer = tokenizer
        self._tokens, self._jump = tokens, tokens // 4
        self._opening = ""
        self._head: tuple[Snippet, ...] = ()
        self._above, self._length = "", 0  # of the last prefix: what stood above the window, and characters in it

    def cut(self, prefix: str, snippets: Sequence[Snippet]) -> str:
        """The prompt for this prefix: snippets, chosen when the window was placed, then the prefix from its line
        on."""
        head, start = self.place(prefix, snippets)
        return joined(head) + prefix[start:]

    def place(self, prefix: str, snippets: Sequence[Snippet]) -> tuple[tuple[Snippet, ...], int]:
        """The same in two parts: the snippets, and where in the prefix the prompt begins."""
        start = self._found_again(prefix)
        if start < 0 or not self._fits(prefix[start:], is_whole=start == 0):
            self._head = self.choose(snippets)
            start = self._line(prefix, self._tokens - self._jump - self._size(joined(self._head)))
            self._opening = prefix[start : start + OPENING]
        self._above, self._length = prefix[:start], len(prefix) - start
        return self._head, start

    def _found_again(self, prefix: str) -> int:
        """Where the window's opening is now; -1 where it is not. Among equal blocks there are many such places: the
        window is where it was as long as nothing above it has changed, else at the one about as far from the end."""
        if not self._opening:
            return -1
        if prefix.startswith(self._above) and prefix.startswith(self._opening, len(self._above)):
            return len(self._above)
        wanted = max(0, len(prefix) - self._length)
        before = prefix.rfind(self._opening, 0, wanted + len(self._opening))
        behind = prefix.find(self._opening, wanted)
        if before < 0 or behind < 0:
            return max(before, behind)
        return before if wanted - before < behind - wanted else behind

    def _fits(self, text: str, is_whole: bool) -> bool:
        """Whether a window has room for the text, and the text, unless it is all there is, is enough for one."""
        head = joined(self._head)
        size = self._size(head + text)
        if size > self._tokens:
            return False
        # On its own the text has at least the tokens that it adds, so it is seldom encoded a second time.
        return is_whole or size - self._size(head) >= self._jump or self._size(text) >= self._jump

    def choose(self, snippets: Sequence[Snippet]) -> tuple[Snippet, ...]:
        """The most useful, which are the last, while they fit."""
        starts = range(len(snippets) + 1)
        first = next(start for start in starts if self._size(joined(snippets[start:])) <= SNIPPETS)
        return tuple(snippets[first:])

    def _line(self, prefix: str, budget: int) -> int:
        """The earliest line start from which the prefix fits the budget; inside the last line if that alone is too
        long."""
        lines = re.findall(r"[^\n]*\n|[^\n]+", prefix)
        start = len(prefix)
        for line in reversed(lines):
            size = self._size(line)
            if size > budget:
                break
            start -= len(line)
            budget -= size
        if start == len(prefix) and lines:
            start -= len(
                self._tokenizer.decode(self._tokenizer.encode(lines[-1])[-budget:]).decode("utf-8", errors="ignore")
            )
        return start

    def _size(self, text: str) -> int:
        return len(self._tokenizer.encode(text))


def joined(snippets: Sequence[Snippet]) -> str:
    """Their texts as they are, each ended by an empty line."""
    return "".join(snippet.text.rstrip("\n") + "\n\n" for snippet in snippets)
