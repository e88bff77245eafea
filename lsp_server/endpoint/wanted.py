"""What a client of the endpoint wants filled, whatever API it speaks: its body is data from a stranger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lacuna.engine.api import Snippet
from lacuna.engine.families.remote.templates import TEMPLATES
from lacuna.lsp_server.documents.plain_text import plain
from lacuna.lsp_server.documents.text import without_surrogates

MOST_TOKENS, TOKENS = 256, 64  # of a fill: at most, and where nothing is said
MOST_STOPS, MOST_SNIPPETS, MOST_FILLS = 16, 32, 6
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
    newline: str = "\n"  # of the client's text

    def cut(self, text: str) -> str:
        """Text up to the first stop."""
        ends = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        return text[: min(ends, default=len(text))].replace("\n", self.newline)


def of_infill(body: Mapping[str, Any]) -> Wanted:
    """llama.cpp's `/infill`: `prompt` is the line left of the cursor."""
    return Wanted(
        prefix=_text(body, "input_prefix") + _text(body, "prompt"),
        newline=_newline(body.get("input_prefix"), body.get("prompt"), body.get("input_suffix")),
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
    limits = (body.get("max_tokens"), body.get("n_predict"), more.get("num_predict"))
    return replace(
        _sides(body),
        max_tokens=_tokens(next((limit for limit in limits if limit is not None), None)),
        stops=_stops(body.get("stop") or more.get("stop")),
        count=_count(body.get("n")),
        streams=body.get("stream") is True,
        newline=_newline(body.get("prompt"), body.get("suffix"), body.get("segments")),
    )


def _sides(body: Mapping[str, Any]) -> Wanted:
    segments = body.get("segments")
    if isinstance(segments, dict):
        return Wanted(_text(segments, "prefix"), _text(segments, "suffix"), path=_text(segments, "filepath"))
    prompt, suffix = _prompt(body.get("prompt")), body.get("suffix")
    is_told = isinstance(suffix, str) and (suffix or body.get("raw") is not True)
    found = Wanted(prompt, _plain(str(suffix))) if is_told else _taken_apart(prompt)
    return replace(found, prefix=_NOTES.sub("", found.prefix))


def _taken_apart(prompt: str) -> Wanted:
    """Of the first template whose markers it has, the last ones; one without any is a prefix."""
    for template in TEMPLATES.values():
        sides = _between(prompt, template.form)
        if sides is not None:
            before, found, goes_on = sides
            if goes_on and before and (not template.file or template.file.partition("{path}")[0] not in before):
                continue  # code that speaks of markers
            snippets, path = _others(before, template.file)
            return Wanted(found["prefix"], found["suffix"], snippets=snippets, path=path)
    return Wanted(prompt, "")


def _between(prompt: str, form: str) -> tuple[str, dict[str, str], bool] | None:
    """What stands before a form at the end of a prompt, and in its places; None where it does not stand there. What
    stands behind the last marker, if anything does, is the end of the prefix: the model is to go on with it."""
    *pairs, last = re.split(r"\{(prefix|suffix)\}", form)
    left, there, middle = prompt.rpartition(last) if last else (prompt, "", "")
    if last and not there:
        return None
    found = dict[str, str]()
    for marker, name in reversed(list(zip(pairs[::2], pairs[1::2], strict=True))):
        left, there, found[name] = left.rpartition(marker)
        if not there:
            return None
    found["prefix"] += middle
    return left, found, bool(middle)


def _others(text: str, form: str) -> tuple[tuple[Snippet, ...], str]:
    """Other files, each behind a marker and its path, and the path of the file itself, which is the last one."""
    marker = form.partition("{path}")[0]
    if not marker:
        return (), ""
    files = [
        (path, code.removesuffix("\n")) for path, _, code in (one.partition("\n") for one in text.split(marker)[1:])
    ]
    own = files.pop()[0] if files and not files[-1][1] else ""
    return tuple(Snippet(code, path) for path, code in files[-MOST_SNIPPETS:]), own


def _extras(found: object) -> Iterator[Snippet]:
    for one in found[-MOST_SNIPPETS:] if isinstance(found, list) else ():
        if isinstance(one, dict) and isinstance(one.get("text"), str):
            name = one.get("filename")
            yield Snippet(_plain(one["text"]), _plain(name) if isinstance(name, str) else "")


def _prompt(found: object) -> str:
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if found is None:
        return ""  # Ollama's clients have the model loaded so
    if not isinstance(found, str):
        raise BadBody("`prompt` is one text: neither token ids nor several")
    return _plain(found)


def _text(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name, "")
    if not isinstance(found, str):
        raise BadBody(f"`{name}` is a text")
    return _plain(found)


def _plain(text: str) -> str:
    """With line ends as the engine has them, and signs that it can read."""
    return without_surrogates(plain(text))


def _tokens(found: object) -> int:
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return max(0, min(int(found), MOST_TOKENS)) if is_number and found >= 0 else TOKENS  # type: ignore[call-overload, operator]


def _count(found: object) -> int:
    return max(1, min(found, MOST_FILLS)) if isinstance(found, int) and not isinstance(found, bool) else 1


def _newline(*found: object) -> str:
    """Of what a client sent: a text, a list of one, or the two sides of a gap."""
    inner = (
        part
        for one in found
        for part in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else [one])
    )
    return "\r\n" if any("\r\n" in text for text in inner if isinstance(text, str)) else "\n"


def _stops(found: object) -> tuple[str, ...]:
    some = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(one for one in some[:MOST_STOPS] if isinstance(one, str) and one)
