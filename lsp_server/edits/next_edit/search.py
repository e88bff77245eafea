"""Searches next edits: at places related to an edit, the engine says what became less likely and what should stand
there."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lacuna.engine.api import Hole, Patch, Revision, Surprise
from lacuna.lsp_server.edits.next_edit.change import Change, change_of
from lacuna.lsp_server.edits.next_edit.found import Found
from lacuna.lsp_server.edits.next_edit.lost_code import loses_code
from lacuna.lsp_server.edits.next_edit.objections import changes_only_comments, objection
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.site import Other, Site, Version, sites
from lacuna.lsp_server.edits.next_edit.tokens import tokens
from lacuna.lsp_server.model.engine_thread import TooLate
from lacuna.lsp_server.model.worker import Worker

MAX_PLACES = 8  # per request: some 0.3 s each, and 1 to 3 s more where something is surprising

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Thresholds:
    """How sure the engine has to be. In nats; docs/LOG.md has what others would show.

    A revision's gain alone asks too much where the base finds the old text likely for itself, and the lift alone too
    little: they are added.
    """

    named: float = 0.5  # by which a word must have become less likely where a name of the edit stands; 0: not asked
    similar: float = 0.5  # and on lines that are only like the one that changed
    drafted: float = 4.0  # gain and lift of what the edit speaks for
    least_gain: float = -math.inf  # of that; a lift of 10 says little where the text as it is stays likelier by e^6
    least_lift: float = -math.inf  # and of that: what would have been as likely without the edit follows from nothing
    noise: float = 16.0  # and of what nothing but the canvas speaks for; in the FIM layout that is not looked for


# There a draft's gain and lift, which are of both sides, say enough where a name stands.
IN_FIM_LAYOUT = Thresholds(named=0.0, similar=1.0, least_gain=-5.0, least_lift=2.0)


@dataclass
class _Trace:
    """What was done for one request: for the log, without code."""

    places: int = 0
    patched: int = 0
    secrets: int = 0  # places where a secret would have been put
    lost: int = 0  # and where code would have been lost
    began: float = field(default_factory=time.perf_counter)

    def __str__(self) -> str:
        return f"places={self.places} patched={self.patched} ms={(time.perf_counter() - self.began) * 1000.0:.0f}"


class Search:
    """Looks for next edits with the engine."""

    def __init__(self, worker: Worker, refused: Callable[[str, str, str], bool]) -> None:
        """`refused` says whether the user does not want one line (of a URI) made another."""
        self._worker = worker
        self._refused = refused

    async def next(
        self, version: Version, around: int, deadline: float = math.inf, others: Sequence[Other] = ()
    ) -> Found | Quiet:
        """The nearest edit that follows from a document's edit, or why there is none. `around` is the cursor.

        After `deadline`, a time.monotonic(), no question is begun, nor begun again. Raises ModelError. May be cancelled
        between any two questions to the engine.
        """
        trace = _Trace()
        try:
            result = await self._searched(version, around, deadline, others, trace)
        except TooLate:
            result = Quiet.OUT_OF_TIME
        _log.info("next edit %s -> %s", trace, result.value if isinstance(result, Quiet) else "found")
        return result

    async def _searched(
        self, version: Version, around: int, deadline: float, others: Sequence[Other], trace: _Trace
    ) -> Found | Quiet:
        # In other threads: to parse and scan a large document takes up to a second, in which keys would wait.
        change = await asyncio.to_thread(change_of_code, version)
        if change is None:
            return Quiet.NO_EDIT
        found_sites = sites(version, change, around, others, MAX_PLACES)
        while (site := await asyncio.to_thread(next, found_sites, None)) is not None:
            if trace.places and time.monotonic() > deadline:
                return Quiet.OUT_OF_TIME
            trace.places += 1
            found = await self._at(site, deadline)
            if found is not Quiet.AS_LIKELY:
                trace.patched += 1
                if isinstance(found, Found):
                    return found
                trace.secrets += found is Quiet.SECRET
                trace.lost += found is Quiet.LOSES_CODE
        if not trace.places:
            return Quiet.NO_PLACE
        if trace.secrets or trace.lost:
            return Quiet.SECRET if trace.secrets else Quiet.LOSES_CODE
        return Quiet.NO_BETTER if trace.patched else Quiet.AS_LIKELY

    @property
    def _thresholds(self) -> Thresholds:
        return IN_FIM_LAYOUT if self._worker.is_in_fim_layout else Thresholds()

    async def _at(self, site: Site, deadline: float) -> Found | Quiet:
        """What should stand at one place; AS_LIKELY where nothing became less likely."""
        surprises: Sequence[Surprise] = ()
        drop = self._thresholds.named if site.place.is_named else self._thresholds.similar
        if drop:
            surprises = await self._worker.surprises(site.passage(drop), deadline)
            if not site.is_told_of(surprises):
                return Quiet.AS_LIKELY
        return await self._best(site, site.patch(surprises), deadline)

    async def _best(self, site: Site, patch: Patch, deadline: float) -> Found | Quiet:
        """The best revision that is better by enough, and that nothing speaks against."""
        quiet = Quiet.NO_BETTER
        patched = await self._worker.patch(patch, deadline)
        # What the edit speaks for goes before what the canvas finds likelier still.
        for revision in sorted(patched.revisions, key=lambda revision: not revision.from_candidate):
            if not self._is_sure(site, patch, revision):
                continue
            found = offered(site, patch, revision)
            if self._refused(found.uri, found.line, found.new_line):
                return Quiet.NO_BETTER  # and no second best in its place
            against = speaks_against(site, found)
            if against is None:
                return found
            quiet = quiet if quiet is Quiet.SECRET else against
        return quiet

    def _is_sure(self, site: Site, patch: Patch, revision: Revision) -> bool:
        """Whether rerank prefers it by enough, because of the edit."""
        preferred, asked = revision.gain + revision.lift, self._thresholds
        if revision.from_candidate:
            is_likely = revision.gain >= asked.least_gain and revision.lift >= asked.least_lift
            return is_likely and preferred >= asked.drafted
        return preferred >= asked.noise and speaks_of_edit(site, patch, revision)


def change_of_code(version: Version) -> Change | None:
    """What an edit changed; None where nothing can follow from it."""
    change = change_of(version.edit, version.text)
    return None if change is None or changes_only_comments(change, version.language) else change


def offered(site: Site, patch: Patch, revision: Revision) -> Found:
    """A revision of a place's patch as an edit of its document."""
    texts = iter(revision.texts)
    text = "".join(next(texts) if isinstance(piece, Hole) else piece for piece in patch.pieces)
    start, end = len(patch.prefix), len(site.text) - len(patch.suffix)
    new_line = site.text[site.place.start : start] + text + site.text[end : site.place.end]
    return Found(site.uri, start, end, text, site.line, new_line)


def speaks_against(site: Site, found: Found) -> Quiet | None:
    """Why an edit of a place should not be offered; None where it may be."""
    if loses_code(site.text, found.start, found.end, found.text, site.typed):
        return Quiet.LOSES_CODE
    return objection(site.text, found.start, found.end, found.text, site.version.language, site.change)


def speaks_of_edit(site: Site, patch: Patch, revision: Revision) -> bool:
    """Whether it brings something that the edit brought, or fills an empty hole."""
    speaks = bool(site.change.come & {token.text for text in revision.texts for token in tokens(text)})
    return speaks or any(not hole.text for hole in patch.holes)
