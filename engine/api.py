"""What is asked of the engine (`Gap`) and what it answers (`Infill`): plain text, no tokens."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Extent:
    """How much of a gap's sides a model reads, in characters and a little generously: more need not be sent."""

    prefix: int
    suffix: int


NEAR = Extent(4_000, 600)  # 512 and 64 tokens, at 3 to 4 characters each, and more


@dataclass(frozen=True)
class Gap:
    """A hole between two pieces of text, with what may help to fill it.

    Line ends are `\\n` only: whoever has `\\r\\n` converts before asking and back after the answer.
    """

    prefix: str
    suffix: str
    language: str = ""  # a name of engine/text/languages.py's table; "" where none is known
    snippets: tuple[str, ...] = ()  # texts from other files, most useful last
    max_tokens: int = 15  # the longest fill worth having; more than one canvas holds means canvas after canvas
    max_lines: int = 0  # line ends after which a fill is long enough and is cut there; 0 for no such limit
    choices: int = 1  # fills that somebody wants to choose from; 1 where only the best one is of use


@dataclass(frozen=True)
class Features:
    """What the gate judges a fill by. Log probabilities are natural logarithms."""

    mean: float  # mean log probability of the fill's tokens, and its end, when accepted
    least: float  # the least of them
    score: float  # what drafts of one gap are ranked by: the log probability of all of it, between both sides
    score_empty: float  # the same of the empty fill
    tokens: int  # length of the fill
    ended: bool  # the hole was closed by its end token, not by the canvas' edge


@dataclass(frozen=True)
class Infill:
    """One fill of a gap. `text` goes between prefix and suffix as it is."""

    text: str
    confidence: float  # 0..1, what the gate makes of the features
    steps: int  # denoising steps
    forwards: int  # passes through the network
    features: Features
    pieces: tuple[tuple[str, float], ...] = ()  # (text, log probability) per token, in order; joined they are `text`
    timings: dict[str, float] = field(default_factory=dict)  # milliseconds per stage: encode, denoise, judge


@dataclass(frozen=True)
class Frame:
    """The canvas after one denoising step, as text: what `--watch` and the editors draw."""

    step: int
    # Per position its text, None while it is noise, and whether it was accepted in this step. What spells only what
    # stands left of the hole already is "".
    cells: tuple[tuple[str | None, bool], ...]


class Stopped(Exception):
    """The stop flag was seen between two pieces of work; what was finished is kept for the next request."""
