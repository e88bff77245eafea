"""When a next edit should be shown: what each rule would show after scripted edits of validation packages.

    python bench/thresholds.py [--limit N] [--model MODEL] [--rows FILE]

`--limit`: edits of each kind. At every place that a rule of ours names the engine is asked with each of DROPS, the
nats by which a word must have become less likely; the rules of `search.Thresholds` are then held against what it
answered. What is shown is the first revision, of the nearest place, that a rule lets through and nothing speaks
against. Dismissed offers, the diff and the time that an answer has are left out. `--rows` keeps the revisions, and goes
on where it was stopped. Prints a table of rules; the last one is that of the FIM layout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from edit_script import KINDS
from edits import edits_of
from held_out import held_out, trials
from rich.console import Console
from rich.table import Table
from scripted_edit import Change, ScriptedEdit, followed
from tqdm import tqdm

from lacuna.engine.api import Patch, Surprise
from lacuna.engine.store import model_store, paths
from lacuna.lsp_server.config import Config, ModelChoice
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.related_places import Relation
from lacuna.lsp_server.edits.next_edit.search import (
    IN_FIM_LAYOUT,
    MAX_PLACES,
    change_of_code,
    offered,
    speaks_against,
    speaks_of_edit,
)
from lacuna.lsp_server.edits.next_edit.site import Site, Version, sites
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.model.worker import Worker

URI = "file:///held_out.py"
DROPS = (0.0, 0.25, 0.5, 1.0, 2.0)  # 0: every place is filled, whatever became less likely
SIMILAR = (0.0, 0.5, 1.0, 2.0)  # what is asked of lines that are only similar, besides
SUMS = (0.0, 2.0, 4.0, 6.0, 8.0)  # of gain and lift, nats
NOISES = (8.0, 16.0, 1000.0)


@dataclass(frozen=True)
class Row:
    """One revision that nothing speaks against, and what decides on it."""

    trial: int
    kind: str
    place: int  # the nearest one first
    drop: float  # of DROPS, with which it was found
    drafted: bool  # the edit speaks for it, not the canvas alone
    speaks: bool  # see `speaks_of_edit`
    gain: float
    lift: float
    fall: float  # of the word near a hole that became less likely most, nats
    relations: list[str]
    lines: int  # between the edit and the place
    right: bool


@dataclass(frozen=True)
class Rule:
    drop: float
    drafted: float
    noise: float
    share: float = 1.0  # of the lift that counts
    similar: float = 0.0  # nats by which a word must have become less likely on a line that is only similar
    least_gain: float = -math.inf
    least_lift: float = -math.inf

    def lets(self, row: Row) -> bool:
        if row.relations == [Relation.SIMILAR_LINE.name] and row.fall < self.similar:
            return False
        if row.gain < self.least_gain or row.lift < self.least_lift:
            return False
        preferred = row.gain + self.share * row.lift
        return preferred >= (self.drafted if row.drafted else self.noise) and (row.drafted or row.speaks)

    def shown(self, rows: Sequence[Row]) -> Row | None:
        """Of one trial's rows, which are in the order in which the engine is asked."""
        return next((row for row in rows if row.drop == self.drop and self.lets(row)), None)


async def asked(edit: ScriptedEdit, number: int, worker: Worker) -> list[Row]:
    """All revisions at all places of one edit."""
    made = RecentEdit(edit.edit.start, edit.edit.start + len(edit.edit.text), _old(edit))
    version = Version(URI, edit.after, "python", made, ((made.start, made.end),))
    change = change_of_code(version)
    if change is None:
        return []
    rows: list[Row] = []
    for place, site in enumerate(sites(version, change, made.end, (), MAX_PLACES)):
        told = await worker.surprises(site.passage(DROPS[1]))
        known: dict[Patch, list[Row]] = {}
        for drop in DROPS:
            some = [one for one in told if one.drop >= drop] if drop else []
            if not drop or site.is_told_of(some):
                patch = site.patch(some)
                if patch not in known:
                    known[patch] = [row async for row in _revisions(edit, number, place, site, patch, told, worker)]
                rows += [Row(**{**asdict(row), "drop": drop}) for row in known[patch]]
    return rows


async def _revisions(
    edit: ScriptedEdit, number: int, place: int, site: Site, patch: Patch, told: Sequence[Surprise], worker: Worker
) -> AsyncIterator[Row]:
    patched = await worker.patch(patch)
    for revision in sorted(patched.revisions, key=lambda revision: not revision.from_candidate):
        found = offered(site, patch, revision)
        if speaks_against(site, found) is None:
            right = followed(edit, [Change(found.start, found.end, found.text)]) is not None
            speaks = speaks_of_edit(site, patch, revision)
            relations = sorted(relation.name for relation in site.place.relations)
            start, end = sorted((site.place.start, site.version.edit.start))
            lines = site.text.count("\n", start, end)
            scores = (
                revision.gain,
                revision.lift,
                max((one.drop for one in told if site.is_told_of([one])), default=0.0),
            )
            yield Row(number, edit.kind, place, 0.0, revision.from_candidate, speaks, *scores, relations, lines, right)


def _old(edit: ScriptedEdit) -> str:
    return edit.before[edit.edit.start : edit.edit.end]


def report(rows: Sequence[Row], count: int, console: Console) -> None:
    """`count` edits were made that something follows from."""
    by_trial = [list(group) for _, group in groupby(rows, key=lambda row: row.trial)]
    table = Table(
        "drop", "similar", "gain + lift", "of noise", "shown", "right", "right first", *(f"{kind}" for kind in KINDS)
    )
    for rule in rules():
        shown = [row for trial in by_trial if (row := rule.shown(trial)) is not None]
        right = sum(row.right for row in shown)
        kinds = ((sum(row.right for row in shown if row.kind == kind), kind) for kind in KINDS)
        of_kind = [f"{good}/{sum(row.kind == kind for row in shown)}" for good, kind in kinds]
        sums = f"{rule.drafted:g}" if rule.share == 1 else f"{rule.drafted:g}, half of the lift"
        precision, covered = right / max(1, len(shown)), right / count
        noise = f"{rule.noise:g}" if rule.noise < max(NOISES) else "-"
        table.add_row(
            f"{rule.drop:g}",
            f"{rule.similar or rule.drop:g}",
            sums,
            noise,
            str(len(shown)),
            f"{precision:.0%}",
            f"{covered:.0%}",
            *of_kind,
        )
    console.print(table)


def rules() -> Iterator[Rule]:
    for drop in DROPS:
        yield from (Rule(drop, least, 16.0) for least in SUMS)
    yield from (Rule(0.5, least, 16.0, share=0.5) for least in SUMS)
    yield from (Rule(0.5, 4.0, noise) for noise in NOISES)
    yield from (Rule(0.0, least, max(NOISES), similar=similar) for similar in SIMILAR for least in SUMS)
    shipped = IN_FIM_LAYOUT
    floors = shipped.least_gain, shipped.least_lift
    yield Rule(shipped.named, shipped.drafted, max(NOISES), 1.0, shipped.similar, *floors)  # the last line


async def measure(limit: int, model: str, kept: Path | None) -> None:
    settings, models = Config(), Models()
    files = held_out(paths.corpus() / "validation.jsonl")
    edits: list[ScriptedEdit] = []
    for kind in KINDS:
        edits += trials(files, partial(edits_of, kind=kind), limit)
    done = json.loads(kept.read_text(encoding="utf-8")) if kept and kept.exists() else {}
    worker = models.lease(ModelChoice(model, settings.device, settings.dtype, settings.threads))
    await worker.ready()
    for number, edit in enumerate(tqdm(edits, leave=False)):
        if str(number) not in done:
            done[str(number)] = [asdict(row) for row in await asked(edit, number, worker)]
            if kept:
                kept.write_text(json.dumps(done), encoding="utf-8")
    models.close()
    report([Row(**row) for number in range(len(edits)) for row in done[str(number)]], len(edits), Console(width=150))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=40, help="edits of each kind")
    parser.add_argument("--model", default=model_store.EMBEDDED)
    parser.add_argument("--rows", type=Path, help="a file that keeps what the engine answered")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.limit, arguments.model, arguments.rows))


if __name__ == "__main__":
    main()
