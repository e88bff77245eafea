"""The engine's interface: questions and answers as plain data, without tokens, and the protocols of a filler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol, runtime_checkable

THRESHOLD = 2.0  # nats of log-likelihood that a word must lose to be a surprise


@dataclass(frozen=True)
class Extent:
    """How much of a gap's sides a model reads, in characters and a little generously: more need not be sent."""

    prefix: int
    suffix: int


NEAR = Extent(4_000, 600)  # 512 and 64 tokens, at 3 to 4 characters each, and more


@dataclass(frozen=True)
class Snippet:
    """A piece of another file."""

    text: str
    path: str = ""  # the file's, as far as a reader needs it; "" where nothing is to be said of it


@dataclass(frozen=True)
class Gap:
    """A hole between two pieces of text, with what may help to fill it.

    Line ends are `\\n` only: whoever has `\\r\\n` converts before asking and back after the answer.
    """

    prefix: str
    suffix: str
    language: str = ""  # a name of engine/text/languages.py's table; "" where none is known
    snippets: tuple[Snippet, ...] = ()  # most useful last
    path: str = ""  # of the file that the gap is in, as those of snippets
    max_tokens: int = 15  # the longest fill worth having; more than one canvas holds means canvas after canvas
    max_lines: int = 0  # line ends after which a fill is long enough and is cut there; 0 for no such limit
    n_best: int = 1  # fills that somebody wants to choose from; 1 where only the best one is of use


@dataclass(frozen=True)
class Features:
    """The confidence model's inputs. Log probabilities are natural logarithms."""

    mean: float  # mean log probability of the fill's tokens, and its end, when accepted
    least: float  # the least of them
    score: float  # what fills of one gap are ranked by: the log probability of all of it, between both sides
    score_empty: float  # the same of the empty fill
    tokens: int  # length of the fill
    ended: bool  # the hole was closed by its end token, not by the canvas' edge


@dataclass(frozen=True)
class Infill:
    """One fill of a gap. `text` goes between prefix and suffix as it is."""

    text: str
    confidence: float  # 0..1, what the confidence model makes of the features
    steps: int  # denoising steps
    forwards: int  # passes through the network
    features: Features
    pieces: tuple[tuple[str, float], ...] = ()  # (text, log probability) per token, in order; joined they are `text`
    timings: dict[str, float] = field(default_factory=dict)  # milliseconds per stage: prefill, denoise, rerank


@dataclass(frozen=True)
class Frame:
    """The canvas after one denoising step, as text: what `--watch` and the editors draw."""

    step: int
    # Per position its text, None while it is noise, and whether it was accepted in this step. What spells only what
    # stands left of the hole already is "".
    cells: tuple[tuple[str | None, bool], ...]


@dataclass(frozen=True)
class Hole:
    """Text that may no longer fit."""

    text: str  # what stands there now; "" where something may have to be inserted


@dataclass(frozen=True)
class Patch:
    """Holes in a stretch of text, to be filled together; what lies between them is pinned.

    Line ends are `\\n` only.
    """

    prefix: str  # all that stands left of the pieces, in the document as it is now
    pieces: tuple[str | Hole, ...]  # pinned text and holes from left to right, at least one hole
    suffix: str
    language: str = ""  # a name of engine/text/languages.py's table; "" where none is known
    snippets: tuple[str, ...] = ()  # read before the prefix, most useful last: where else the edit can be seen
    candidates: tuple[tuple[str, ...], ...] = ()  # fillings to score besides decoded ones, a text per hole
    length_slack: int = 2  # tokens by which decoding may make a hole longer or shorter
    # What stood left of the pieces before the edit, and what is read before that: with it, revisions have a lift.
    old_prefix: str | None = None
    old_snippets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.holes, "a patch has a hole"
        assert all(len(texts) == len(self.holes) for texts in self.candidates), "a candidate has a text for every hole"

    @property
    def holes(self) -> tuple[Hole, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Hole))

    @property
    def old_start(self) -> str | None:
        """What was pinned left of the first hole before the edit."""
        if self.old_prefix is None:
            return None
        return self.old_prefix + self.texts[0][len(self.prefix) :]

    @property
    def texts(self) -> tuple[str, ...]:
        """What is pinned: left of the first hole (the prefix included), between holes, and right of the last."""
        texts = [self.prefix]
        for piece in self.pieces:
            if isinstance(piece, Hole):
                texts.append("")
            else:
                texts[-1] += piece
        return (*texts[:-1], texts[-1] + self.suffix)


@dataclass(frozen=True)
class Revision:
    """A filling of all holes of a patch."""

    texts: tuple[str, ...]  # one per hole, for exactly the place of the hole's own
    gain: float  # log-odds against the text as it is, nats: the difference of both scores
    score: float  # the base's S: log p(text from the first hole on, and the suffix' head | what is left of it)
    from_candidate: bool  # one of the patch's candidates, not decoded
    # Gain with the edit less gain without it (difference in differences), nats; 0 where the patch has no old prefix.
    lift: float = 0.0


@dataclass(frozen=True)
class Patched:
    revisions: tuple[Revision, ...]  # the best first, without the text as it is
    steps: int  # denoising steps
    forwards: int  # passes through the network
    timings: dict[str, float] = field(default_factory=dict)  # milliseconds per stage: prefill, denoise, rerank


@dataclass(frozen=True)
class RewriteRequest:
    """A block that is to be rewritten as an instruction says."""

    instruction: str
    code: str  # the answer takes its place
    prefix: str = ""  # what stands around the block
    suffix: str = ""
    language: str = ""


@dataclass(frozen=True)
class Passage:
    """Text that stands in a document before and after an edit, and what is left of it in both versions."""

    text: str
    old_prefix: str
    new_prefix: str
    old_snippets: tuple[str, ...] = ()  # read before the prefix, where that does not hold the edit
    new_snippets: tuple[str, ...] = ()
    threshold: float = THRESHOLD  # nats


@dataclass(frozen=True)
class Surprise:
    """A word, or a run of signs, that became less likely."""

    start: int  # characters from the passage's beginning
    end: int
    drop: float  # nats: log p(word | old) - log p(word | new)
    now: float  # log p(word | new)


Fits = Callable[[str], bool]  # whether a fill could stand in its gap, say, whether the syntax is no worse with it


def anything(fill: str) -> bool:
    """Every fill could."""
    return True


class Stopped(Exception):
    """The stop flag was seen between two pieces of work; what was finished is kept for the next request."""


class Unreachable(Exception):
    """The engine is elsewhere and cannot be asked; the message says why, and what to do."""


class Filler(Protocol):
    """Fills gaps and patches, one at a time: it is used from one thread."""

    extent: Extent

    def infill(
        self,
        gap: Gap,
        *,
        document: str = "",
        num_candidates: int = 1,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        fits: Fits = anything,
    ) -> list[Infill]:
        """Fills for a gap, the best first and at least one. The same gap gives the same fills, as long as
        the prompt begins where it did (engine/families/gap/prefix_window.py).

        What does not fit is pruned while the search runs; where nothing fits, the best comes back all the same.

        `document` names what the gap is in: its KV cache is reused. The more `num_candidates` are decoded and ranked,
        the better and slower. Raises Stopped soon after `stop` is set.
        """

    def prefill(self, gap: Gap, *, document: str = "", stop: Event | None = None) -> None:
        """Reads both sides of a gap, so that a fill there soon has little left to read. Raises Stopped."""

    def close(self, document: str) -> None:
        """Forgets what was read for a document."""

    def patch(
        self,
        patch: Patch,
        *,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        budget: float | None = None,
    ) -> Patched:
        """Fillings of all holes of a patch, the best first. The same patch gives the same fillings.

        After `budget` seconds, None for as many as the family finds right, it comes back with what was found until
        then: fewer fillings, or none. Where what lies from the first hole to the last is longer than a canvas, only the
        patch's candidates are scored.
        Raises Stopped soon after `stop` is set.
        """

    def surprises(
        self, passage: Passage, *, stop: Event | None = None, budget: float | None = None
    ) -> tuple[Surprise, ...]:
        """The words of a passage that an edit elsewhere made less likely, from left to right; none where the `budget`,
        as of `patch`, was not enough. Raises Stopped."""


@runtime_checkable
class Rewrites(Protocol):
    """A filler whose model follows instructions is one of these too."""

    def rewrite(
        self, request: RewriteRequest, *, stop: Event | None = None, on_text: Callable[[str], None] = lambda text: None
    ) -> str:
        """A block as an instruction wants it; `on_text` is told how it stands after every step. Raises Stopped."""


@runtime_checkable
class WarmsUp(Protocol):
    """A filler whose passes take longer the first time, on a GPU, is one of these too."""

    @property
    def launches(self) -> str:
        """How passes are launched, and why not better, in words; "" where that is no question."""

    def warm_ups(self) -> Sequence[Callable[[], None]]:
        """Pieces of work, the most wanted first, after which no question waits for a kernel to be compiled or a pass to
        be captured. Each may be run or left out. None where nothing is to be prepared."""
