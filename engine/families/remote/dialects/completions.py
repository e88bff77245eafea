"""OpenAI's `/v1/completions`, with the model's own FIM prompt: `suffix` means six things to six servers, so it is left
out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.families.remote.dialects.dialect import MOST_STOPS, Asked, Piece, first, log_probabilities, text_of
from lacuna.engine.families.remote.templates import PromptTemplate


@dataclass(frozen=True)
class Completions:
    model: str
    template: PromptTemplate
    has_log_probabilities: bool = True  # MLX's server refuses to be asked for a number of them
    path: str = "/v1/completions"
    name: str = "OpenAI completions"

    def path_of(self, body: Mapping[str, object]) -> str:
        return self.path

    @property
    def stops(self) -> tuple[str, ...]:
        """Of the template; some servers send markers as text."""
        return self.template.all_markers

    def body(self, asked: Asked) -> Mapping[str, object] | None:
        """None where the source holds a marker's text."""
        if not self.template.may_tell(asked):
            return None
        prompt = self.template.prompt(asked)
        return {
            "model": self.model,
            "prompt": prompt,
            "max_tokens": asked.max_tokens,
            "temperature": asked.temperature,
            "stop": [*asked.stops, *self.template.stops][:MOST_STOPS],
            "stream": True,
            **({"logprobs": 1} if self.has_log_probabilities else {}),
        }

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        """The last one may carry usage and no choice."""
        choice = first(event.get("choices"))
        if not choice:
            return
        logprobs = choice.get("logprobs")
        found = log_probabilities(logprobs.get("token_logprobs")) if isinstance(logprobs, dict) else ()
        reason = choice.get("finish_reason")
        yield Piece(text_of(choice.get("text")), found, ended=reason == "stop", cut=reason == "length")
