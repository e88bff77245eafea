"""Next edits on real edits: after some hunks of a release, is what is offered the next one, and is nothing offered
where nothing follows?

    python bench/next_hunks.py [--limit N] [--model MODEL]

The files are those of held-out packages in two successive releases, from `lacuna corpus edits`. `--limit`: places
where a hunk follows, and as many after a file's last one. An offer is exact where it makes one or more of the following
hunks whole and nothing else; its share of right text is how far it takes the lines of the hunk that it touches to what
the release has there, by edit distance. Beside it stands what the same base fills in where the cursor is, without
knowing that anything was edited. Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from random import Random

from next_edits import User
from rapidfuzz.distance import Levenshtein
from release_pairs import History, histories
from rich.console import Console
from rich.table import Table
from scripted_edit import Change, FollowUp, ScriptedEdit, applied, followed
from tqdm import tqdm

from lacuna.engine.api import Gap
from lacuna.engine.store import model_store
from lacuna.lsp_server.config import Config, ModelChoice
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.model.worker import Worker

SEED = 0
TOKENS, LINES = 48, 6  # that are filled in where the cursor is


@dataclass(frozen=True)
class Outcome:
    """What became of one place."""

    follows: bool  # whether the release has another hunk
    reason: str  # why nothing was offered; "" where something was
    exact: bool
    share: float  # of right text, 0..1
    milliseconds: float
    filled: float = 0.0  # the share that was right of what is filled in where the cursor is


def chosen(limit: int) -> list[History]:
    """`limit` places with a hunk that follows, and as many without: one of each file, then a second of each."""
    files = list(histories())
    Random(SEED).shuffle(files)
    rows = zip_longest(*(Random(f"{SEED} {file[0].name}").sample(file, len(file)) for file in files))
    places = [place for place in chain.from_iterable(rows) if place is not None]
    followed_by = [place for place in places if place.following]
    return followed_by[:limit] + [place for place in places if not place.following][:limit]


async def outcome(place: History, worker: Worker) -> Outcome:
    """Makes the hunks in an open document, and asks."""
    user = User(place.text, worker, place.language)
    for hunk in place.made:
        user.change(hunk)
    start = time.perf_counter()
    offer = await user.offered()
    milliseconds = (time.perf_counter() - start) * 1000.0
    filled = share(place, await _filled(place, worker)) if place.following else 0.0
    if isinstance(offer, Quiet):
        return Outcome(bool(place.following), offer.value, False, 0.0, milliseconds, filled)
    rest = followed(
        ScriptedEdit("hunk", place.after, Change(0, 0, ""), tuple(FollowUp(((hunk,),)) for hunk in place.following)),
        [offer],
    )
    return Outcome(bool(place.following), "", rest is not None, share(place, offer), milliseconds, filled)


async def _filled(place: History, worker: Worker) -> Change:
    """What the base fills in at the end of the last hunk."""
    text = place.after
    cursor = place.made[-1].start + len(place.made[-1].text.removesuffix("\n"))
    gap = Gap(text[:cursor], text[cursor:], place.language, max_tokens=TOKENS, max_lines=LINES)
    filled = await worker.fill(gap, document=place.name)
    return Change(cursor, cursor, filled.infills[0].text if filled.infills else "")


def share(place: History, offer: Change) -> float:
    """How far an offer takes the lines of the hunks that it touches to what they become; 0 where it touches none, or
    leads away."""
    touched = [hunk for hunk in place.following if hunk.start <= offer.end and offer.start <= hunk.end]
    if not touched:
        return 0.0
    start, end = min(offer.start, touched[0].start), max(offer.end, touched[-1].end)
    now = place.after[start:end]
    right = applied(now, [_within(hunk, start) for hunk in touched])
    offered = applied(now, [_within(offer, start)])
    return max(0.0, 1.0 - Levenshtein.distance(offered, right) / max(1, Levenshtein.distance(now, right)))


def _within(change: Change, start: int) -> Change:
    return Change(change.start - start, change.end - start, change.text)


def report(outcomes: Sequence[Outcome], console: Console) -> dict[str, float]:
    some = [one for one in outcomes if one.follows]
    others = [one for one in outcomes if not one.follows]
    shown = [one for one in some if not one.reason]
    times = sorted(one.milliseconds for one in outcomes)
    figures = {
        "places": len(some),
        "shown": len(shown) / max(1, len(some)),
        "exact": sum(one.exact for one in some) / max(1, len(some)),
        "exact_of_shown": sum(one.exact for one in shown) / max(1, len(shown)),
        "right_text": sum(one.share for one in some) / max(1, len(some)),
        "filled_right_text": sum(one.filled for one in some) / max(1, len(some)),
        "quiet": sum(bool(one.reason) for one in others) / max(1, len(others)),
        "p50_ms": times[(len(times) - 1) // 2],
        "p90_ms": times[(len(times) - 1) * 9 // 10],
    }
    table = Table("", "")
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:.0f}" if value > 1 else f"{value:.1%}")
    console.print(table)
    console.print(dict(Counter(one.reason for one in some if one.reason).most_common()))
    return figures


async def measure(limit: int, model: str) -> dict[str, float]:
    settings, models = Config(), Models()
    worker = models.lease(ModelChoice(model, settings.device, settings.dtype, settings.threads))
    await worker.ready()
    outcomes = [await outcome(place, worker) for place in tqdm(chosen(limit), "hunks", leave=False)]
    models.close()
    return report(outcomes, Console(width=120))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=500, help="places of each kind")
    parser.add_argument("--model", default=model_store.EMBEDDED)
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.limit, arguments.model))
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
