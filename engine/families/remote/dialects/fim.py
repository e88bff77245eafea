"""`/v1/fim/completions`: Mistral's and Inception's, DeepSeek's under another path, and another Lacuna's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.families.remote.dialects.dialect import MOST_STOPS, Asked, Piece, first, text_of

STOPPED, CUT = ("stop",), ("length", "model_length")


@dataclass(frozen=True)
class Fim:
    model: str
    path: str = "/v1/fim/completions"
    stops: tuple[str, ...] = ()
    name: str = "fim/completions"

    def path_of(self, body: Mapping[str, object]) -> str:
        return self.path

    def body(self, asked: Asked) -> Mapping[str, object]:
        return {
            "model": self.model,
            "prompt": asked.before,
            "suffix": asked.suffix,
            "max_tokens": asked.max_tokens,
            "temperature": asked.temperature,
            "stop": list(asked.stops)[:MOST_STOPS],
            "stream": True,
        }

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        """Of a chat's delta, a chat's message or a completion, whichever the server's answer has the shape of."""
        choice = first(event.get("choices"))
        if not choice:
            return
        spoken = choice.get("delta") or choice.get("message")
        text = spoken.get("content") if isinstance(spoken, dict) else choice.get("text")
        reason = choice.get("finish_reason")
        yield Piece(text_of(text), ended=reason in STOPPED, cut=reason in CUT)
