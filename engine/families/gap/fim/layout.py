"""The FIM layout: prefix marker, P, suffix marker, S, middle marker, T, and then the canvas. Before it stand pieces of
other files, each behind a file marker, where the base was trained on repositories.

P is the text up to a split some lines above the cursor, S what follows the cursor, and T the text from the split to the
cursor, placed behind the middle marker as if the model had written it. So typing only appends to T, and everything else
keeps its KV.
"""

from __future__ import annotations

from collections.abc import Sequence

from lacuna.engine.api import Gap, Snippet
from lacuna.engine.families.gap.fim.templates import Markers
from lacuna.engine.families.gap.prefix_window import PrefixWindow, joined
from lacuna.engine.families.gap.prompt import Prompt
from lacuna.engine.text import token_healing
from lacuna.engine.text.byte_bpe import Tokenizer

LINES = 10  # above the cursor's, from which on the text is read as the middle
SUFFIX_TOKENS = 96
PATH_TOKENS = 12  # of a file, the last ones: names of hashes and in other scripts take a token a character
SUFFIX_CHARACTERS = 600  # more than these tokens ever need
CLOSERS, MOST_CLOSERS = ")]}\"'`", 4
MIDDLE_CHARACTERS = 1600  # of T: from there on the split moves down


class FimLayout:
    def __init__(self, tokenizer: Tokenizer, markers: Markers) -> None:
        self._tokenizer, self._markers = tokenizer, markers
        self._window = PrefixWindow(tokenizer)
        self._above, self._suffix = "", ""  # of the last prompt: P, and the text that S was made of

    def prompt(self, gap: Gap) -> Prompt:
        head, start = self._window.place(gap.prefix, gap.snippets)
        files = self._files(head, gap.path)
        text = gap.prefix[start:] if files else joined(head) + gap.prefix[start:]
        boundary = token_healing.boundary(text, gap.suffix, self._tokenizer)
        suffix = self._seen(boundary.prefix, boundary.suffix)
        at = self._split(boundary.prefix, suffix)
        self._above, self._suffix = boundary.prefix[:at], suffix
        after = self._tokenizer.encode(suffix)[:SUFFIX_TOKENS]
        return Prompt(boundary, [*files, *read(boundary.prefix, at, after, self._markers, self._tokenizer)], after)

    def _files(self, head: Sequence[Snippet], path: str) -> list[int]:
        """What stands before the prefix marker: other files, and this one's path, as a base reads a repository. Nothing
        where no other file is read, or for a base that was not taught so."""
        if not head or self._markers.file is None:
            return []
        ids = list[int]()
        for name, text in (*((snippet.path, f"{snippet.text.rstrip()}\n") for snippet in head), (path, "")):
            told = self._tokenizer.encode(name)[-PATH_TOKENS:]
            ids += [self._markers.file, *told, *self._tokenizer.encode(f"\n{text}")]
        return ids

    def _seen(self, text: str, suffix: str) -> str:
        """What S is made of: as before, where an editor has but put closers behind the cursor. Fills then write them
        too, and whoever asked leaves them out."""
        if self._suffix and text.startswith(self._above):
            for count, sign in enumerate(suffix[:MOST_CLOSERS], 1):
                if sign not in CLOSERS:
                    break
                if suffix[count : count + SUFFIX_CHARACTERS] == self._suffix:
                    return self._suffix
        return suffix[:SUFFIX_CHARACTERS]

    def _split(self, text: str, suffix: str) -> int:
        """Where T begins: where it did, while the text before that and the suffix are the same, and T is not too
        long."""
        kept = bool(self._suffix) and suffix == self._suffix and text.startswith(self._above)
        if kept and len(text) - len(self._above) <= MIDDLE_CHARACTERS:
            return len(self._above)
        return split(text)


def read(text: str, at: int, suffix: Sequence[int], markers: Markers, tokenizer: Tokenizer) -> list[int]:
    """The tokens of a prompt whose text before the canvas is split at an offset."""
    return markers.prompt(tokenizer.encode(text[:at]), suffix, tokenizer.encode(text[at:]))


def split(text: str, lines: int = LINES) -> int:
    """The offset of the line that begins so many lines above the last one, or of one below that, where they are long.
    No split is before a blank line: the line end before it and its own may be one token."""
    at = len(text)
    for count in range(lines + 1):
        above = text.rfind("\n", 0, at - 1) + 1 if at else 0
        if count and len(text) - above > MIDDLE_CHARACTERS // 2:
            break
        at = above
    while at < len(text) and text[at] == "\n":
        at += 1
    return at
