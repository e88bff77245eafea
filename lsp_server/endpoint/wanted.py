"""What a client of the endpoint wants filled, whatever API it speaks: its body is data from a stranger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.api import Snippet
from lacuna.engine.families.remote.templates import TEMPLATES

MOST_TOKENS, TOKENS = 256, 64  # of a fill: at most, and where nothing is said
MOST_STOPS, MOST_SNIPPETS, MOST_FILLS = 16, 32, 6
_FILE = re.compile(r"<\|?file_sep\|?>([^\n]*)\n")
# What minuet writes before a file's text, which the file does not hold.
_NOTES = re.compile(r"\A(?:[^\w\n]{1,4} ?(?:language|indentation): [^\n]*\n)+")


class BadBody(ValueError):
    """A body that is none; the message says what it lacks."""


@dataclass(frozen=True)
class Wanted:
    prefix: str
    suffix: str
    max_tokens: int = TOKENS
    stops: tuple[str, ...] = ()
    snippets: tuple[Snippet, ...] = ()
    path: str = ""
    count: int = 1  # fills to choose from
    streams: bool = False

    def cut(self, text: str) -> str:
        """Text up to the first stop."""
        ends = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        return text[: min(ends, default=len(text))]


def of_infill(body: Mapping[str, Any]) -> Wanted:
    """llama.cpp's `/infill`: `prompt` is the line left of the cursor."""
    return Wanted(
        prefix=_text(body, "input_prefix") + _text(body, "prompt"),
        suffix=_text(body, "input_suffix"),
        max_tokens=_tokens(body.get("n_predict")),
        stops=_stops(body.get("stop")),
        snippets=tuple(_extras(body.get("input_extra"))),
        count=_count(body.get("n_cmpl")),
        streams=body.get("stream") is True,
    )


def of_completion(body: Mapping[str, Any]) -> Wanted:
    """OpenAI's and llama.cpp's completions, Mistral's and Ollama's bodies: prompt and suffix, or a prompt with FIM
    markers, which is taken apart."""
    options = body.get("options")
    more: Mapping[str, Any] = options if isinstance(options, dict) else {}
    segments = body.get("segments")
    if isinstance(segments, dict):
        prompt, suffix = _text(segments, "prefix"), segments.get("suffix")
    else:
        prompt, suffix = _prompt(body.get("prompt")), body.get("suffix")
    found = Wanted(prompt, suffix, path=_path(segments)) if isinstance(suffix, str) and suffix else _taken_apart(prompt)
    limits = (body.get("max_tokens"), body.get("n_predict"), more.get("num_predict"))
    return Wanted(
        _NOTES.sub("", found.prefix),
        found.suffix,
        _tokens(next((limit for limit in limits if limit is not None), None)),
        _stops(body.get("stop") or more.get("stop")),
        found.snippets,
        found.path,
        _count(body.get("n")),
        body.get("stream") is True,
    )


def _taken_apart(prompt: str) -> Wanted:
    """Of the first template whose markers it has; one without any is a prefix."""
    for template in TEMPLATES.values():
        match = _form(template.form).search(prompt)
        if match is not None:
            before, path = prompt[: match.start()], ""
            files = list(_FILE.finditer(before))
            if files and files[-1].end() == len(before):
                own = files.pop()
                before, path = before[: own.start()], own[1]
            return Wanted(match["prefix"], match["suffix"], snippets=tuple(_snippets(before, files)), path=path)
    return Wanted(prompt, "")


def _form(form: str) -> re.Pattern[str]:
    """The last place where a form stands, to the end of the text."""
    parts = re.split(r"\{(prefix|suffix)\}", form)
    pattern = "".join(re.escape(part) if at % 2 == 0 else f"(?P<{part}>.*?)" for at, part in enumerate(parts))
    return re.compile(f"{pattern}\\Z" if parts[-1] else f"{pattern.removesuffix('.*?)')}.*)\\Z", re.DOTALL)


def _snippets(text: str, files: list[re.Match[str]]) -> Iterator[Snippet]:
    for at, match in enumerate(files[:MOST_SNIPPETS]):
        end = files[at + 1].start() if at + 1 < len(files) else len(text)
        yield Snippet(text[match.end() : end].rstrip("\n"), match[1])


def _extras(found: object) -> Iterator[Snippet]:
    for one in found[:MOST_SNIPPETS] if isinstance(found, list) else ():
        if isinstance(one, dict) and isinstance(one.get("text"), str):
            name = one.get("filename")
            yield Snippet(one["text"], name if isinstance(name, str) else "")


def _prompt(found: object) -> str:
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, str):
        raise BadBody("`prompt` is one text: neither token ids nor several")
    return found


def _text(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name, "")
    if not isinstance(found, str):
        raise BadBody(f"`{name}` is a text")
    return found


def _path(segments: object) -> str:
    found = segments.get("filepath") if isinstance(segments, dict) else ""
    return found if isinstance(found, str) else ""


def _tokens(found: object) -> int:
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return max(0, min(int(found), MOST_TOKENS)) if is_number and found >= 0 else TOKENS  # type: ignore[call-overload, operator]


def _count(found: object) -> int:
    return max(1, min(found, MOST_FILLS)) if isinstance(found, int) and not isinstance(found, bool) else 1


def _stops(found: object) -> tuple[str, ...]:
    some = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(one for one in some[:MOST_STOPS] if isinstance(one, str) and one)
