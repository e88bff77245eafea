"""llama.cpp's own API. With a prompt of ours (`/completion`) where the model's is known: then what stands right before
the hole comes behind the marker of the middle, and a key has nothing read but itself. Else, and where the source holds
the text of a marker, by `/infill`: the server has the model's own markers there, and takes their text for text.

(`/infill` takes a `prompt`, too, but puts it before the suffix.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.families.remote.dialects.dialect import Asked, Piece, first, log_probabilities, text_of
from lacuna.engine.families.remote.templates import PromptTemplate


@dataclass(frozen=True)
class LlamaCpp:
    name = "llama.cpp"
    path = "/infill"
    model: str = ""  # of a router; "" for the one that is served
    template: PromptTemplate | None = None  # of the model, where it is known
    stops: tuple[str, ...] = ()

    def path_of(self, body: Mapping[str, object]) -> str:
        return self.path if "input_prefix" in body else "/completion"

    def body(self, asked: Asked) -> Mapping[str, object]:
        """Without `n_predict` there is no end."""
        return {
            **self._told(asked),
            "n_predict": asked.max_tokens,
            "temperature": asked.temperature,
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

    def _told(self, asked: Asked) -> Mapping[str, object]:
        if self.template is not None and self.template.may_tell(asked):
            return {"prompt": self.template.prompt(asked), "stop": [*asked.stops, *self.template.stops]}
        return {
            "input_prefix": asked.before,
            "input_suffix": asked.suffix,
            "input_extra": [{"filename": one.path, "text": one.text} for one in asked.snippets],
            "prompt": "",
            "stop": list(asked.stops),
        }
