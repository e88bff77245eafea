"""FIM prompts as text, for servers that take nothing but a prompt: by the name of a model its template."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lacuna.engine.families.remote.dialects.dialect import Asked
from lacuna.engine.families.shared.fim_templates import TEMPLATES as MARKERS


@dataclass(frozen=True)
class PromptTemplate:
    """How a family of bases was trained to fill in the middle."""

    form: str  # with {prefix} and {suffix}
    stops: tuple[str, ...]  # what ends a middle, besides the base's own end
    file: str = ""  # a piece of another file, with {path} and {text}; "" where the base knows none
    own: str = ""  # before the form, with {path}: the file's own path, where other files stand before
    others_in_prefix: bool = False  # other files stand at the beginning of the prefix, not before all
    more_markers: tuple[str, ...] = ()

    def prompt(self, asked: Asked) -> str:
        """Other files stand first, the most useful last: what changes with every key is at the end."""
        file, before, middle = self.file, asked.prefix, asked.middle
        if not self.middle_is_last:
            before, middle = asked.before, ""
        others = "".join(file.format(path=one.path or "other", text=one.text) for one in asked.snippets if file)
        own = self.own.format(path=asked.path or "current") if others else ""
        if self.others_in_prefix:
            return self.form.format(prefix=others + before, suffix=asked.suffix) + middle
        return others + own + self.form.format(prefix=before, suffix=asked.suffix) + middle

    def may_tell(self, asked: Asked) -> bool:
        """Whether no text holds a marker's: a server would take it for one."""
        snippets = [text for one in asked.snippets for text in (one.text, one.path)]
        texts = (asked.before, asked.suffix, asked.path, *snippets)
        return not any(marker in text for marker in self.all_markers for text in texts)

    @property
    def all_markers(self) -> tuple[str, ...]:
        return (*self.stops, *self.markers)

    @property
    def middle_is_last(self) -> bool:
        """Whether the prefix is followed by the suffix, so that a key would have that read again."""
        return self.form.index("{prefix}") < self.form.index("{suffix}")

    @property
    def markers(self) -> tuple[str, ...]:
        """Text that may stand in no source: a server would take it for a marker."""
        file = self.file.partition("{")[0].strip() if "<" in self.file else ""
        return (*self.form_markers, *([file] if file else []), *self.more_markers)

    @property
    def form_markers(self) -> tuple[str, ...]:
        """Those around prefix, suffix and middle."""
        pieces = self.form.replace("{prefix}", "\0").replace("{suffix}", "\0").split("\0")
        return tuple(piece.strip() for piece in pieces if piece.strip())


def _of(base: str, file: str = "", own: str = "", more_markers: tuple[str, ...] = ()) -> PromptTemplate:
    """Of a base whose markers are known."""
    return PromptTemplate(MARKERS[base].form, MARKERS[base].ends, file, own, more_markers=more_markers)


_QWEN = _of("qwen2.5-coder", "<|file_sep|>{path}\n{text}\n", "<|file_sep|>{path}\n", ("<|cursor|>",))
_STARCODER = _of("starcoder2, granite", "<file_sep>{path}\n{text}\n", "<file_sep>")
_GRANITE_4 = PromptTemplate(_QWEN.form, ("<|end_of_text|>",))
# By what a model's name or path has in it, the longest first. Whose name has none of these gets no template: a wrong
# one would be filled with nonsense. Of what is not in the shared table the models' cards are the source.
TEMPLATES = {
    "qwen2.5-coder": _QWEN,
    "qwen3-coder": _QWEN,
    "codeqwen": PromptTemplate(_STARCODER.form, ("<|endoftext|>", "<file_sep>")),
    "starcoder": _STARCODER,
    "stable-code": _STARCODER,
    "granite-4": _GRANITE_4,
    "granite4": _GRANITE_4,
    "granite": PromptTemplate(_STARCODER.form, ("<|endoftext|>",)),
    "codegemma": _of("codegemma", "{path}\n{text}<|file_separator|>", more_markers=("<end_of_turn>",)),
    "deepseek-coder": _of("deepseek-coder"),
    "codestral": PromptTemplate(
        MARKERS["codestral"].form,
        (*MARKERS["codestral"].ends, "\n+++++ "),
        "+++++ {path}\n{text}\n",
        others_in_prefix=True,
    ),
    "codellama": PromptTemplate("<PRE> {prefix} <SUF>{suffix} <MID>", ("<EOT>",)),
    "mellum": PromptTemplate(
        "<fim_suffix>{suffix}<fim_prefix>{prefix}<fim_middle>",
        ("<|endoftext|>", "<filename>"),
        file="<filename>{path}\n{text}\n",
        own="<filename>{path}\n",
    ),
    "seed-coder": _of("seed-coder"),
    "glm-4": PromptTemplate(
        "<|code_prefix|>{prefix}<|code_suffix|>{suffix}<|code_middle|>", ("<|endoftext|>", "<|user|>")
    ),
}
# Of these families, but never taught to fill in the middle.
_NOT_TRAINED = re.compile(r"mamba-codestral|embedding|codellama.*(?:34b|70b|python|instruct)")


def template_for(*names: str) -> PromptTemplate | None:
    """The template of the model that any of these names or paths names; None where none is known."""
    plain = [name.lower().replace("_", "-").replace(":", "-") for name in names]
    if any(_NOT_TRAINED.search(name) for name in plain):
        return None
    for stem in sorted(TEMPLATES, key=len, reverse=True):
        if any(stem in name for name in plain):
            return TEMPLATES[stem]
    return None
