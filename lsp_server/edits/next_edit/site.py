"""A place related to an edit, in its document before and after it: what to ask the engine about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from lacuna.engine.api import Hole, Passage, Patch, Surprise
from lacuna.engine.untrusted.secrets import has_secret, has_token
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.related_places import RelatedPlace, related_places

MAX_HOLES = 4  # in one place
NEAR = 2  # characters between a word that became less likely and the hole that it tells of
PREFIX_CHARS = 500  # before a place, that the engine surely reads: in 99 of 100 windows of 384 tokens there are 530
KEY_CHARS = 16_000  # that a published form of a secret is not longer than
SURROUNDINGS = 300  # characters around an edit, that tell of it where the prefix does not hold it
REACH, EMPTY_REACH = 2, 6  # tokens by which noise may be longer than what stands in the holes, or where nothing does

_Span = tuple[int, int]


@dataclass(frozen=True)
class Version:
    """A document, as plain text, and one edit that made it what it is."""

    uri: str
    text: str
    language: str
    edit: RecentEdit
    typed: tuple[_Span, ...] = ()  # where the user has edited it lately
    alike: tuple[RecentEdit, ...] = ()  # what was done before and says the same: the user follows the edit already

    def old(self, start: int, end: int) -> str:
        """What stood between two offsets before the edit, and before those like it, that lie there whole."""
        text = ""
        for edit in sorted((self.edit, *self.alike), key=lambda edit: edit.start):
            if start <= edit.start and edit.end <= end:
                text += self.text[start : edit.start] + edit.old
                start = edit.end
        return text + self.text[start:end]


@dataclass(frozen=True)
class Other:
    """Another open document, as plain text."""

    uri: str
    text: str
    typed: tuple[_Span, ...] = ()  # where the user has edited it lately


@dataclass(frozen=True)
class Site:
    """`text` is the place's document, which may be another one than the edit's."""

    version: Version
    change: Change
    uri: str
    text: str
    place: RelatedPlace
    typed: tuple[_Span, ...] = ()  # where the user has edited that document lately

    @property
    def line(self) -> str:
        """The place's lines as they stand."""
        return self.text[self.place.start : self.place.end]

    def passage(self, threshold: float) -> Passage:
        """The place's lines and what is left of them, before and after the edit."""
        prefix, (old, new) = self.text[: self.place.start], self._surroundings
        return Passage(self.line, self._old_prefix, prefix, old, new, threshold)

    def is_told_of(self, surprises: Sequence[Surprise]) -> bool:
        """Whether the likelihood fell near what the edit speaks of."""
        return any(_tells_of(span, hole) for span in self._told(surprises) for hole in self.place.holes)

    def patch(self, surprises: Sequence[Surprise] = ()) -> Patch:
        """The holes that the edit makes here, and other words that became less likely, to be filled together."""
        told = self._told(surprises)
        holes = _holes(self.place.holes, told)
        pieces: list[str | Hole] = []
        for number, (start, end) in enumerate(holes):
            pieces.append(Hole(self.text[start:end]))
            pieces += [self.text[end : following[0]] for following in holes[number + 1 : number + 2]]
        return Patch(
            prefix=self.text[: holes[0][0]],
            pieces=tuple(pieces),
            suffix=self.text[holes[-1][1] :],
            language=self.version.language,
            snippets=self._surroundings[1],
            candidates=tuple(self._draft(holes, draft) for draft in self.place.drafts),
            length_slack=EMPTY_REACH if any(start == end for start, end in holes) else REACH,
            old_prefix=self._old_prefix + self.text[self.place.start : holes[0][0]],
            old_snippets=self._surroundings[0],
        )

    def _told(self, surprises: Sequence[Surprise]) -> list[_Span]:
        """Where they stand in the document."""
        return [(one.start + self.place.start, one.end + self.place.start) for one in surprises]

    def _draft(self, holes: list[_Span], draft: tuple[str, ...]) -> tuple[str, ...]:
        """A draft for the edit's holes with the other ones as they are."""
        filled = dict(zip(self.place.holes, draft, strict=True))
        return tuple(filled.get((start, end), self.text[start:end]) for start, end in holes)

    @property
    def _is_own(self) -> bool:
        return self.uri == self.version.uri

    @property
    def _old_prefix(self) -> str:
        """What stood left of the place before the edit."""
        if not self._is_own:
            return self.text[: self.place.start]
        return self.version.old(0, self.place.start)

    @property
    def _surroundings(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The edit's, before and after it; none where what stands left of the place tells of it."""
        if self._is_own and 0 <= self.place.start - self.version.edit.end <= PREFIX_CHARS:
            return (), ()
        old, new = _around(self.version)
        return (old,), (new,)


def tell_secrets(versions: Sequence[Version]) -> list[bool]:
    """Per version of one text whether what tells of its edit, before it or after it, may hold a secret or a part of
    one: then no other document may hear of it. Of a key in the document all lines are parts, whichever are told."""
    if versions and has_token(versions[0].text):
        return [True] * len(versions)
    return [_tells_secret(version) for version in versions]


def _tells_secret(version: Version) -> bool:
    """The same where the text as it is holds no key: then one that it held reached into what the edit took away."""
    old, new = _around(version)
    edit, text = version.edit, version.text
    taken = text[max(edit.start - KEY_CHARS, 0) : edit.start] + edit.old + text[edit.end : edit.end + KEY_CHARS]
    return has_secret(old) or has_secret(new) or has_token(taken)


def sites(version: Version, change: Change, around: int, others: Sequence[Other], most: int) -> Iterator[Site]:
    """At most so many places: the edited document's first, the nearest to the cursor of them first."""

    def found() -> Iterator[Site]:
        for place in related_places(change, version.text, version.language, around):
            yield Site(version, change, version.uri, version.text, place, version.typed)
        for other in others:
            for place in related_places(change, other.text, version.language, 0, own=False):
                yield Site(version, change, other.uri, other.text, place, other.typed)

    return islice(found(), most)


def _around(version: Version) -> tuple[str, str]:
    """An edit with some characters around it, before and after it was made."""
    edit, text = version.edit, version.text
    start = text.rfind("\n", 0, max(edit.start - SURROUNDINGS, 0)) + 1
    end = text.find("\n", edit.end + SURROUNDINGS)
    end = len(text) if end < 0 else end + 1
    return version.old(start, end), text[start:end]


def _tells_of(span: _Span, hole: _Span) -> bool:
    return span[0] <= hole[1] + NEAR and hole[0] <= span[1] + NEAR


def _holes(known: Sequence[_Span], told: list[_Span]) -> list[_Span]:
    """The edit's holes, and what else became less likely and touches none of them."""
    more = [one for one in told if all(one[1] < start or end < one[0] for start, end in known)]
    return sorted([*known, *more[: max(MAX_HOLES - len(known), 0)]])
