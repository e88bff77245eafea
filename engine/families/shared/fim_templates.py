"""The markers by which bases that were trained to fill in the middle tell prefix, suffix and middle apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """Markers as text."""

    prefix: str
    suffix: str
    middle: str  # "" where the middle follows the prefix without a marker
    ends: tuple[str, ...]  # the first is written behind a middle; what else begins another file, or a chat
    suffix_first: bool = False  # suffix, prefix, middle (SPM); else prefix, suffix, middle (PSM)
    file: str = ""  # before the path and the text of another file of the repository, which stand before all

    @property
    def form(self) -> str:
        """A prompt, with {prefix} and {suffix} in their places."""
        sides = [f"{self.prefix}{{prefix}}", f"{self.suffix}{{suffix}}"]
        return "".join(reversed(sides) if self.suffix_first else sides) + self.middle


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
