"""llama.cpp's `/infill`: the server has the model's own markers, and takes source that holds their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.families.remote.dialects.dialect import Asked, Piece, first, log_probabilities, text_of

# Markers of any model. Some are tags of HTML or generics, too: those cost the prompt cache, and nothing else.
_MARKER = re.compile(
    r"<[|\uff5c\[]|\[/?[A-Z]{3,}|</?(?:s|unk|pad|bos|eos|eot|fim|file|repo|end|start|think|tool|gh|issue|jupyter|commit"
    r"|empty|mask|sep|cls|pre|suf|mid)(?:[_-]\w*|name)?>",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class LlamaCpp:
    name = "llama.cpp /infill"
    path = "/infill"
    model: str = ""  # of a router; "" for the one that is served
    stops: tuple[str, ...] = ()

    def body(self, asked: Asked) -> Mapping[str, object]:
        """The server puts `prompt` behind the marker of the middle, and takes markers in it for markers: what may hold
        one stands in the prefix. Without `n_predict` there is no end."""
        is_plain = not _MARKER.search(asked.middle)
        return {
            "input_prefix": asked.prefix if is_plain else asked.before,
            "input_suffix": asked.suffix,
            "input_extra": [{"filename": one.path, "text": one.text} for one in asked.snippets],
            "prompt": asked.middle if is_plain else "",
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
