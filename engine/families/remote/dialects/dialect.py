"""What a dialect takes and gives: a hole to fill, and pieces of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lacuna.engine.api import Snippet

LEAST = -100.0  # nats
MOST_STOPS = 4  # that every server takes (vLLM's limit); all are looked for here too


@dataclass(frozen=True)
class Asked:
    """A hole, as every server can be told of it."""

    prefix: str
    suffix: str
    max_tokens: int
    snippets: tuple[Snippet, ...] = ()  # most useful last
    path: str = ""
    stops: tuple[str, ...] = ()
    temperature: float = 0.0
    middle: str = ""  # what stands between `prefix` and the hole: a model may be told that it has written it

    @property
    def before(self) -> str:
        """All that stands before the hole."""
        return self.prefix + self.middle


@dataclass(frozen=True)
class Piece:
    """Of an answer, as it comes."""

    text: str
    log_probabilities: tuple[float, ...] = ()  # of its tokens; none where the server gives none
    ended: bool = False  # the model has ended the text by itself, or a stop was met
    cut: bool = False  # the server has ended it, at its most tokens


class Dialect(Protocol):
    """Of an HTTP API."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def path(self) -> str:
        """Of a fill."""

    def path_of(self, body: Mapping[str, object]) -> str:
        """Of a request."""

    @property
    def stops(self) -> tuple[str, ...]:
        """Text behind which nothing belongs to the answer."""

    def body(self, asked: Asked) -> Mapping[str, object] | None:
        """The request; None where the hole cannot be told, because its text holds the model's markers."""

    def pieces(self, event: Mapping[str, Any]) -> Iterator[Piece]:
        """Of one JSON object of the stream."""


def log_probabilities(found: object) -> tuple[float, ...]:
    """What of a list are such; some servers write -9999 for what is impossible."""
    some = found if isinstance(found, list) else []
    known = (one for one in some if isinstance(one, int | float) and not isinstance(one, bool) and one <= 0)
    return tuple(max(LEAST, float(max(int(LEAST) - 1, one) if isinstance(one, int) else one)) for one in known)


def text_of(found: object) -> str:
    return found if isinstance(found, str) else ""


def first(found: object) -> Mapping[str, Any]:
    """The first object of a list; an empty one where there is none."""
    return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
