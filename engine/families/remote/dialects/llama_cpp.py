"""llama.cpp's `/infill`: the server has the model's own markers, and takes source that holds their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.families.remote.dialects.dialect import Asked, Piece, first, log_probabilities, text_of


@dataclass(frozen=True)
class LlamaCpp:
    name = "llama.cpp /infill"
    path = "/infill"
    model: str = ""  # of a router; "" for the one that is served
    stops: tuple[str, ...] = ()

    def body(self, asked: Asked) -> Mapping[str, object]:
        """`prompt` stays empty: markers in it would be taken for markers. Without `n_predict` there is no end."""
        return {
            "input_prefix": asked.prefix,
            "input_suffix": asked.suffix,
            "input_extra": [{"filename": one.path, "text": one.text} for one in asked.snippets],
            "prompt": "",
            "n_predict": asked.max_tokens,
            "temperature": asked.temperature,
            "stop": list(asked.stops),
            "n_probs": 1,
            "cache_prompt": True,
            "stream": True,
            **({"model": self.model} if self.model else {}),
        }

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        """A token each; the last event has no text."""
        probabilities = event.get("completion_probabilities")
        logprob = log_probabilities([first(probabilities).get("logprob")])
        kind = event.get("stop_type") if event.get("stop") is True else None
        yield Piece(text_of(event.get("content")), logprob, ended=kind in ("eos", "word"), cut=kind == "limit")
