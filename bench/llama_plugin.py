"""What llama.cpp's editor plugins ask of its server's `/infill`, and what they show of the answer.

After llama.vim (commit a1c8e6e, autoload/llama.vim) and llama.vscode (3938fb3, src/completion.ts): the lines around the
cursor, the samplers, the rest of an earlier answer while it is typed along, and no answer that repeats the next line.
Other than there, an answer ends with the cursor's line, as that alone is judged here; no other text goes along, as
plugins collect it while nobody types; and nothing is asked ahead behind what is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from typed_place import Place

Ask = Callable[[dict[str, Any]], Mapping[str, Any]]  # a request's JSON -> the answer's

TOKENS = 32  # of an answer at most; lines have fewer
PREDICT_MS = 250  # llama.vim's; the server heeds it behind a line end, where these answers have ended
SAMPLERS: Mapping[str, dict[str, Any]] = {
    "greedy": {"samplers": ["top_k"], "top_k": 1, "temperature": 0.0},
    "plugin": {"samplers": ["top_k", "top_p", "infill"], "top_k": 40, "top_p": 0.9, "seed": 0},
}


@dataclass(frozen=True)
class Settings:
    """Lines that are sent besides the cursor's, as many as both plugins do, and a name of SAMPLERS."""

    lines_before: int = 256
    lines_after: int = 64
    samplers: str = "greedy"


class Plugin:
    """At one place: asks, and remembers what was answered there."""

    def __init__(self, place: Place, settings: Settings, ask: Ask) -> None:
        self._place, self._settings, self._ask = place, settings, ask
        self._answers: list[tuple[int, str]] = []  # characters typed before, and the answer

    def suggest(self, typed: str) -> tuple[str, bool]:
        """What is shown after `typed` ("" for nothing), and whether it is the rest of an earlier answer."""
        for length, answer in reversed(self._answers):
            since = typed[length:]
            if answer.startswith(since) and answer != since:
                return answer[len(since) :], True
        content = str(self._ask(request(self._place, typed, self._settings))["content"])
        if not content.strip() or repeats_next_line(self._place, typed, content):
            return "", False
        self._answers.append((len(typed), content))
        return content, False


def request(place: Place, typed: str, settings: Settings) -> dict[str, Any]:
    """The JSON of a request behind what is typed."""
    *above, start = place.before.split("\n")
    below = place.after.split("\n")[1:]
    line = start + typed
    return {
        "id_slot": 0,
        "input_prefix": "\n".join(above[max(0, len(above) - settings.lines_before) :]) + "\n",
        "input_suffix": "\n" + "\n".join(below[: settings.lines_after]) + "\n",
        "input_extra": [],
        "prompt": line,
        "n_predict": TOKENS,
        "stop": ["\n"],
        "n_indent": len(line) - len(line.lstrip()),
        **SAMPLERS[settings.samplers],
        "stream": False,
        "cache_prompt": True,
        "t_max_predict_ms": PREDICT_MS,
        "response_fields": ["content", "truncated", "timings/cache_n", "timings/prompt_n", "timings/predicted_n"],
    }


def repeats_next_line(place: Place, typed: str, content: str) -> bool:
    """Whether the line would be the same as the next one that is not blank."""
    following = next((line for line in place.after.split("\n") if line.strip()), None)
    return place.before.rpartition("\n")[2] + typed + content == following
