"""Acceptance of suggestions: shown, accepted, accepted in part, and how much is still there later (retention)."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass
from difflib import SequenceMatcher

from lacuna.lsp_server.documents.store import DocumentStore, UnknownDocument
from lacuna.lsp_server.telemetry.daily_counts import Count
from lacuna.lsp_server.telemetry.statistics import Statistics

REMEMBERED = 500  # suggestions that were given out last
# When what was accepted is looked for in the document, in seconds, and how that is counted.
CHECKS = (
    (30.0, Count.CHECKED_AFTER_30_S, Count.RETAINED_AFTER_30_S),
    (300.0, Count.CHECKED_AFTER_5_MIN, Count.RETAINED_AFTER_5_MIN),
)
DRIFT = 400  # characters by which it may have moved meanwhile

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Given:
    """A suggestion as it was given to an editor."""

    uri: str
    offset: int  # of the cursor, in characters from the document's start
    existing: str  # what the item repeats of the text before the cursor
    text: str  # what it adds


@dataclass
class _Fate:
    given: Given
    shown: bool = False
    accepted: bool = False
    partially: int = 0  # accepted characters of its text


class Acceptance:
    """Counts what clients report, by the ids of items. An item that is not known any more counts nothing."""

    def __init__(self, documents: DocumentStore, statistics: Statistics) -> None:
        self._documents = documents
        self._statistics = statistics
        self._fates: OrderedDict[int, _Fate] = OrderedDict()
        self._checks: set[asyncio.TimerHandle] = set()

    def give(self, item: int, given: Given) -> None:
        """A suggestion goes out."""
        self._fates[item] = _Fate(given)
        if len(self._fates) > REMEMBERED:
            self._fates.popitem(last=False)

    def shown(self, item: int) -> None:
        """An editor shows it; told again, it counts once."""
        fate = self._fates.get(item)
        if fate is not None and not fate.shown:
            fate.shown = True
            self._statistics.count(Count.SHOWN)

    def accepted(self, item: int) -> None:
        """It was taken whole, or what was left of it."""
        fate = self._fates.get(item)
        if fate is None or fate.accepted:
            return
        fate.accepted = True
        self._statistics.count(Count.ACCEPTED)
        self._statistics.count(Count.ACCEPTED_CHARACTERS, len(fate.given.text) - fate.partially)
        loop = asyncio.get_running_loop()
        for seconds, checked, retained in CHECKS:
            self._checks.add(loop.call_later(seconds, self._check, fate.given, checked, retained))
        self._checks = {check for check in self._checks if check.when() > loop.time()}

    def partially_accepted(self, item: int, length: int) -> None:
        """It was taken up to `length`, in UTF-16 units from the start of the item's text, all that was taken before
        included."""
        fate = self._fates.get(item)
        if fate is None:
            return
        whole = fate.given.existing + fate.given.text
        characters = len(_utf16_head(whole, length)) - len(fate.given.existing)
        if characters > fate.partially:
            if not fate.partially:
                self._statistics.count(Count.PARTIALLY_ACCEPTED)
            self._statistics.count(Count.PARTIALLY_ACCEPTED_CHARACTERS, characters - fate.partially)
            fate.partially = characters

    def stop(self) -> None:
        """Nobody's documents are here any more."""
        for check in self._checks:
            check.cancel()

    def _check(self, given: Given, checked: Count, retained: Count) -> None:
        try:
            text = self._documents.get(given.uri).text
        except UnknownDocument:
            return
        place = text.place_at(min(given.offset, len(text)))
        around = text.before(place, DRIFT) + text.after(place, len(given.text) + DRIFT)
        self._statistics.count(checked, len(given.text))
        self._statistics.count(retained, retained_characters(given.text, around))


def retained_characters(accepted: str, around: str) -> int:
    """How many characters of an accepted text still stand in the text around its place, in order, token by token.

    White space that stands between retained tokens is retained.
    """
    ours, theirs = list(_TOKEN.finditer(accepted)), _TOKEN.findall(around)
    matcher = SequenceMatcher(None, [token[0] for token in ours], theirs, autojunk=False)
    # Runs of tokens, so that a comma somewhere else is not taken for ours.
    runs = [run for run in matcher.get_matching_blocks() if run.size > 1 or run.size == len(ours)]
    if ours and sum(run.size for run in runs) == len(ours):
        return len(accepted)
    return sum(ours[run.a + run.size - 1].end() - ours[run.a].start() for run in runs if run.size)


def _utf16_head(text: str, units: int) -> str:
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")
