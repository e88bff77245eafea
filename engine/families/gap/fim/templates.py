"""The markers by which bases that were trained to fill in the middle tell prefix, suffix and middle apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lacuna.engine.untrusted.load_error import LoadError


@dataclass(frozen=True)
class Template:
    """Markers as text."""

    prefix: str
    suffix: str
    middle: str  # "" where the middle follows the prefix without a marker
    ends: tuple[str, ...]  # the first is written behind a middle; what else begins another file, or a chat
    suffix_first: bool = False  # suffix, prefix, middle (SPM); else prefix, suffix, middle (PSM)
    file: str = ""  # before the path and the text of another file of the repository, which stand before all


# By the base they belong to. The first one whose markers a tokenizer has is taken.
TEMPLATES = {
    # Qwen2.5-Coder report (arXiv 2409.12186), 3.2.
    "qwen2.5-coder": Template(
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        ("<|endoftext|>", "<|fim_pad|>", "<|im_end|>", "<|im_start|>", "<|file_sep|>", "<|repo_name|>"),
        file="<|file_sep|>",
    ),
    # StarCoder 2 (arXiv 2402.19173), 5.1; Granite Code (arXiv 2405.04324) has the same.
    "starcoder2, granite": Template(
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        ("<|endoftext|>", "<fim_pad>", "<file_sep>", "<repo_name>"),
        file="<file_sep>",
    ),
    # DeepSeek-Coder (arXiv 2401.14196), 3.1.2: its bars are U+FF5C, its low lines U+2581.
    "deepseek-coder": Template(
        "<\uff5cfim\u2581begin\uff5c>",
        "<\uff5cfim\u2581hole\uff5c>",
        "<\uff5cfim\u2581end\uff5c>",
        ("<\uff5cend\u2581of\u2581sentence\uff5c>",),
    ),
    # CodeGemma (arXiv 2406.11409), 3.1.
    "codegemma": Template(
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        ("<|file_separator|>", "<eos>"),
        file="<|file_separator|>",
    ),
    # Seed-Coder (arXiv 2506.03524).
    "seed-coder": Template(
        "<[fim-prefix]>",
        "<[fim-suffix]>",
        "<[fim-middle]>",
        ("<[end\u2581of\u2581sentence]>",),
        suffix_first=True,
    ),
    # Codestral and other bases of Mistral's.
    "codestral": Template("[PREFIX]", "[SUFFIX]", "", ("</s>",), suffix_first=True),
}


@dataclass(frozen=True)
class Markers:
    """A template's ids in one tokenizer."""

    prefix: int
    suffix: int
    middle: tuple[int, ...]  # one or none
    ends: tuple[int, ...]  # all after which a middle has ended; the first is the base's own
    suffix_first: bool
    file: int | None = None  # before another file; None for a base that was not trained on repositories

    @property
    def all(self) -> tuple[int, ...]:
        """None of them is ever text."""
        return (*self.ends, self.prefix, self.suffix, *self.middle)

    def text(self, prefix: Sequence[int]) -> list[int]:
        """What a base reads of a text whose suffix it does not see."""
        return [self.suffix, self.prefix, *prefix] if self.suffix_first else [self.prefix, *prefix]

    def prompt(self, prefix: Sequence[int], suffix: Sequence[int], middle: Sequence[int]) -> list[int]:
        """What a base reads before it goes on with the middle, of which the beginning is there."""
        if self.suffix_first:
            return [self.suffix, *suffix, self.prefix, *prefix, *self.middle, *middle]
        return [self.prefix, *prefix, self.suffix, *suffix, *self.middle, *middle]


def markers(marker: Callable[[str], int | None]) -> Markers:
    """Those of a tokenizer; `marker` gives the id of an added token by its text.

    Raises LoadError for a tokenizer without the markers of any template.
    """
    for template in TEMPLATES.values():
        found = _found((template.prefix, template.suffix, template.middle), marker)
        ends = _found(template.ends, marker)
        if len(found) == (3 if template.middle else 2) and ends:
            file = marker(template.file) if template.file else None
            return Markers(found[0], found[1], found[2:], ends, template.suffix_first, file)
    raise LoadError(
        "tokenizer.json has none of the markers of bases that were trained to fill in the middle "
        f"({', '.join(TEMPLATES)}); a base without them needs an adapter that reads prefix and suffix apart"
    )


def _found(texts: Sequence[str], marker: Callable[[str], int | None]) -> tuple[int, ...]:
    return tuple(token for text in texts if text and (token := marker(text)) is not None)
