"""How a gap is put to the model: what goes into the prompt, what onto the canvas, and how the answer comes back.

Prompt: instruction, snippets and the far suffix in the user's turn; then the model's turn with a fence and the prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lacuna.engine.api import Extent, Gap
from lacuna.engine.families.diffusion_gemma.chat import Chat
from lacuna.engine.families.diffusion_gemma.infill_layout import Layout, behind, canvas_length, lay_out, lengths
from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer

PREFIX_CHARACTERS = 16_384
PREFIX_JUMP = 4_096  # the prefix's beginning moves in such steps, so that it does not slide on every key
FAR_SUFFIX_TOKENS = 512
EXTENT = Extent(PREFIX_CHARACTERS, 3_072)  # the far suffix and one canvas, at 4 characters a token
INSTRUCTION = (
    "Write the whole file. Only the code between the last line you are given and the rest of the file is missing."
)


@dataclass(frozen=True)
class Question:
    prompt: list[int]
    # The prefix's last token, taken off and spelled by the hole: a word cut in two is one token again.
    healing_prefix: bytes
    suffix: list[int]
    max_tokens: int
    canvas: int  # positions


class Questioner:
    """Translates gaps for models with one tokenizer."""

    def __init__(self, tokenizer: GemmaTokenizer, most: int) -> None:
        """`most`: positions that the model's own canvases have."""
        self._tokenizer = tokenizer
        self._most = most
        self._chat = Chat(tokenizer)
        self._ending = [*tokenizer.encode("\n```"), self._chat.end_of_turn]

    def ask(self, gap: Gap) -> Question:
        suffix = self._tokenizer.encode(gap.suffix) if gap.suffix.strip() else []
        longest = gap.max_tokens + 1  # one more for the healing prefix
        canvas = canvas_length(longest, len(suffix) + len(self._ending) if suffix else 0, self._most)
        near = canvas - lengths(longest, canvas)[-1]
        far = suffix[near : near + FAR_SUFFIX_TOKENS]
        prefix = self._tokenizer.encode(_recent(gap.prefix))
        opened = [*self._tokenizer.encode(f"```{gap.language}\n"), *prefix[:-1]]
        prompt = self._chat.ask(self._content(gap, far), opened)
        return Question(prompt, self._tokenizer.decode(prefix[-1:]), suffix, longest, canvas)

    def layout(self, question: Question, hole: int) -> Layout:
        return lay_out(hole, question.suffix, self._ending, self._chat.pad, question.canvas)

    def behind(self, question: Question, length: int) -> tuple[int, ...]:
        """What stands behind the first `length` tokens of a canvas, where the hole's end is known."""
        return behind(length, question.suffix, self._ending, self._chat.pad, question.canvas)

    def answer(self, question: Question, spelled: bytes, max_lines: int) -> str:
        """The text between the gap's prefix and suffix, of what the hole's tokens spell."""
        body = spelled.removeprefix(question.healing_prefix).decode("utf-8", errors="ignore")
        if not question.suffix:
            body = body.split("\n```")[0]
        lines = body.split("\n")
        return "\n".join(lines[:max_lines]) if max_lines else body

    def _content(self, gap: Gap, far: Sequence[int]) -> list[int]:
        encode = self._tokenizer.encode
        parts = [*encode(INSTRUCTION + "\n")]
        for snippet in gap.snippets:
            source = snippet.path or "another file"
            parts += encode(f"\nFrom {source}:\n```{gap.language}\n{snippet.text}\n```\n")
        if far:
            parts += [*encode(f"\nFurther down in the file:\n```{gap.language}\n"), *far, *encode("\n```\n")]
        return parts


def _recent(prefix: str) -> str:
    """The prefix from a line on, at most PREFIX_CHARACTERS of it and with room to be typed into."""
    beyond = len(prefix) - PREFIX_CHARACTERS
    if beyond <= 0:
        return prefix
    start = -(-beyond // PREFIX_JUMP) * PREFIX_JUMP
    line = prefix.find("\n", start) + 1
    return prefix[line or start :]
