"""What is asked of the engine about an edit's consequences (`Patch`) and what it answers (`Patched`): plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


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
    drafts: tuple[tuple[str, ...], ...] = ()  # fillings to try besides noise, a text per hole
    reach: int = 2  # tokens by which noise may make a hole longer or shorter
    # What stood left of the pieces before the edit, and what is read before that: with it, revisions have a lift.
    old_prefix: str | None = None
    old_snippets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.holes, "a patch has a hole"
        assert all(len(draft) == len(self.holes) for draft in self.drafts), "a draft has a text for every hole"

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
    gain: float  # nats by which the judge prefers it to the text as it is
    score: float  # the judge's S: log p(text from the first hole on, and the suffix' head | what is left of it)
    drafted: bool  # one of the patch's drafts, not noise
    lift: float = 0.0  # nats by which the edit raised the gain; 0 where the patch has no old prefix


@dataclass(frozen=True)
class Patched:
    revisions: tuple[Revision, ...]  # the best first, without the text as it is
    steps: int  # denoising steps
    forwards: int  # passes through the network
    timings: dict[str, float] = field(default_factory=dict)  # milliseconds per stage: encode, denoise, judge


@dataclass(frozen=True)
class Wish:
    """A block that is to be rewritten as an instruction says."""

    instruction: str
    code: str  # the answer takes its place
    prefix: str = ""  # what stands around the block
    suffix: str = ""
    language: str = ""


def ranked(
    tried: Sequence[tuple[str, ...]],
    scores: Sequence[float | None],
    old_scores: Sequence[float | None],
    drafts: Sequence[tuple[str, ...]],
) -> tuple[Revision, ...]:
    """The fillings that have a score, best first. `tried` begins with the text as it is.

    `old_scores` are the judge's before the edit: the scores themselves where they are not known.
    """
    present, old_present = scores[0], old_scores[0]
    if present is None or old_present is None:
        return ()
    revisions = []
    for texts, score, old in zip(tried[1:], scores[1:], old_scores[1:], strict=True):
        if score is not None and old is not None:
            gain = score - present
            revisions.append(Revision(texts, gain, score, texts in drafts, gain - (old - old_present)))
    return tuple(sorted(revisions, key=lambda revision: -revision.score))
