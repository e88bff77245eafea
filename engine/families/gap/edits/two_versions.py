"""The prompts of both versions of a document, as it is and as it was before an edit, and their KV caches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lacuna.engine.api import Snippet
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.kv_context import KvContext
from lacuna.engine.families.gap.prefix_window import SNIPPETS, WINDOW, PrefixWindow, joined
from lacuna.engine.text.byte_bpe import Tokenizer

CONTEXTS = 2
FIM_WINDOW = 224  # tokens: at least 80 of what stands before a place, snippets and the free quarter left out
SNIPPET_CHARACTERS = 400  # around the middle of a snippet; the lines outside are left out
FIM_SNIPPET_CHARACTERS = 240
SPARE = 32  # tokens by which an edit's surroundings may have been longer before it


@dataclass(frozen=True)
class Before:
    """What stands left of a place in one version, and the snippets before that."""

    prefix: str
    snippets: tuple[str, ...]


class TwoVersions:
    """One prompt window over both versions, a stable prefix of each, and a context for each."""

    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer) -> None:
        self.present = denoiser.context()
        self.old = denoiser.context()
        self._tokenizer = tokenizer
        # Qwen2.5-Coder takes 3.7 times SmolLM2's arithmetic, and both versions are read: less than two thirds of a
        # window have to do.
        is_fim = denoiser.config.markers is not None
        self._tokens, self._characters = (
            (FIM_WINDOW, FIM_SNIPPET_CHARACTERS) if is_fim else (WINDOW, SNIPPET_CHARACTERS)
        )
        self._window = PrefixWindow(tokenizer, self._tokens)
        self._snippets: tuple[str, ...] = ()

    def prefill(self, context: KvContext, prefix: Sequence[int], check: Callable[[], None]) -> int:
        """Makes `context`, one of the two, that of a prefix, and returns how many tokens were computed: what the other
        one has of it, up to where the edit was made, is copied. `check` runs between chunks and may raise."""
        other = self.present if context is self.old else self.old
        shared = other.cached(prefix)
        if shared > context.cached(prefix):
            context.copy_from(other, shared)
        return context.prefill_prefix(prefix, check)

    def text(self, present: Before) -> str:
        """The prompt of the present version."""
        head, start = self._place(present)
        return head + present.prefix[start:]

    def old_text(self, old: Before, present: Before) -> str:
        """The prompt of the old version: from the same lines on, or what only one leaves out would look like a
        change."""
        _, start = self._place(present)
        if old.prefix[:start] != present.prefix[:start]:
            start = max(0, len(old.prefix) - (len(present.prefix) - start))
        like = present.snippets if len(present.snippets) == len(old.snippets) else old.snippets
        cuts = [self._outer_lines(snippet, len(like)) for snippet in like]
        snippets = [Snippet(_middle(snippet, outer)) for snippet, outer in zip(old.snippets, cuts, strict=True)]
        return joined(self._window.choose(snippets)) + old.prefix[start:]

    def _place(self, present: Before) -> tuple[str, int]:
        count = len(present.snippets)
        snippets = tuple(_middle(snippet, self._outer_lines(snippet, count)) for snippet in present.snippets)
        # Unlike those of a completion, these snippets hold the edit, so other ones make another window.
        if snippets != self._snippets:
            self._window, self._snippets = PrefixWindow(self._tokenizer, self._tokens), snippets
        head, start = self._window.place(present.prefix, [Snippet(snippet) for snippet in snippets])
        return joined(head), start

    def _outer_lines(self, snippet: str, count: int) -> tuple[int, int]:
        """How many lines of one of `count` snippets are left out, at its beginning and at its end: what does not fit
        the window is left out, and with it the edit."""
        characters = self._characters
        while True:
            outside = max(0, (len(snippet) - characters) // 2)
            outer = snippet.count("\n", 0, outside), snippet.count("\n", len(snippet) - outside)
            size = len(self._tokenizer.encode(_middle(snippet, outer)))
            if size <= (SNIPPETS - SPARE) // count or characters == 0:
                return outer
            characters //= 2


def _middle(snippet: str, outer: tuple[int, int]) -> str:
    lines = snippet.split("\n")
    return "\n".join(lines[outer[0] : len(lines) - outer[1]])
