"""Ollama's `/api/generate`: with the model's own FIM prompt as it is (`raw`), or by `suffix` where its template has
one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.families.remote.dialects.completions import Completions
from lacuna.engine.families.remote.dialects.dialect import Asked, Piece, first, log_probabilities, text_of
from lacuna.engine.families.remote.templates import PromptTemplate

CONTEXT = 4096  # tokens: another number than the last one makes the server load the model again
KEEP_ALIVE = "30m"


@dataclass(frozen=True)
class Ollama:
    model: str
    template: PromptTemplate | None
    name = "Ollama"
    path = "/api/generate"

    def path_of(self, body: Mapping[str, object]) -> str:
        return self.path

    @property
    def stops(self) -> tuple[str, ...]:
        return self._prompting.stops if self._prompting is not None else ()

    @property
    def _prompting(self) -> Completions | None:
        return None if self.template is None else Completions(self.model, self.template)

    def body(self, asked: Asked) -> Mapping[str, object] | None:
        """None where the source holds a marker's text."""
        options = {"num_predict": asked.max_tokens, "temperature": asked.temperature, "num_ctx": CONTEXT}
        common = {"model": self.model, "stream": True, "keep_alive": KEEP_ALIVE, "logprobs": True}
        if self._prompting is None:
            # An empty suffix counts as none, and the model would chat.
            return {
                **common,
                "prompt": asked.before,
                "suffix": asked.suffix or "\n",
                "options": {**options, "stop": list(asked.stops)},
            }
        prompted = self._prompting.body(asked)
        if prompted is None:
            return None
        return {**common, "prompt": prompted["prompt"], "raw": True, "options": {**options, "stop": prompted["stop"]}}

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        """One a token, and a last one."""
        reason = event.get("done_reason") if event.get("done") is True else None
        logprob = log_probabilities([first(event.get("logprobs")).get("logprob")])
        yield Piece(text_of(event.get("response")), logprob, ended=reason == "stop", cut=reason == "length")
