"""Edit suggestions on held-out files: next edits after scripted ones, silence after others, and blocks refilled.

    python bench/edits.py [--limit N] [--model MODEL] [--only next|refills]

`--limit`: trials of each kind, 200 where nothing is said. Prints tables, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median

from edit_script import KINDS, no_op, scripted
from held_out import SEED, HeldOut, held_out, trials
from next_edits import Outcome, follow
from refills import LENGTHS, Refilled, blocks, refill
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from lacuna.engine.store import model_store
from lacuna.lsp_server.config import Config, ModelChoice
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.model.worker import Worker

QUIET = "no_op"

Figures = dict[str, float]


async def next_edits(files: list[HeldOut], count: int, worker: Worker) -> list[Outcome]:
    """`count` edits of every kind, and as many that nothing should follow."""
    outcomes = []
    for kind in (*KINDS, QUIET):
        chosen = trials(files, lambda file, kind=kind: edits_of(file, kind), count)  # type: ignore[misc]
        for edit in tqdm(chosen, kind, leave=False):
            outcomes.append(await follow(edit, worker))
    return outcomes


async def refills(files: list[HeldOut], count: int, worker: Worker) -> list[Refilled]:
    """`count` blocks, each refilled with and without what stands behind it."""
    chosen = trials(files, blocks, count)
    return [await refill(one, worker, both) for one in tqdm(chosen, "refills", leave=False) for both in (True, False)]


def report_next_edits(outcomes: Sequence[Outcome], console: Console) -> Figures:
    table = Table("kind", "edits", "shown", "right", "precision", "coverage", "p50 ms", "p90 ms", "else")
    figures: Figures = {}
    for kind in (*KINDS, QUIET):
        some = [one for one in outcomes if one.kind == kind]
        if not some:
            continue
        shown, right = sum(one.shown for one in some), sum(one.right for one in some)
        covered = sum(one.first == "right" for one in some)
        times = [ms for one in some for ms in one.milliseconds]
        reasons = Counter(one.first for one in some if one.first not in ("right", "wrong"))
        precision = f"{right / shown:.0%}" if shown else "-"
        coverage = "-" if kind == QUIET else f"{covered / len(some):.0%}"
        why = "; ".join(f"{reason}: {count}" for reason, count in reasons.most_common(3))
        row = (len(some), shown, right, precision, coverage, *(f"{_percentile(times, at):.0f}" for at in (50, 90)), why)
        table.add_row(kind, *map(str, row))
        figures[f"{kind}_shown"], figures[f"{kind}_p50_ms"] = shown, _percentile(times, 50)
        if kind != QUIET:
            figures[f"{kind}_coverage"] = covered / len(some)
            figures |= {f"{kind}_precision": right / shown} if shown else {}
    shown = sum(one.shown for one in outcomes if one.kind != QUIET)
    if shown:
        figures["precision"] = sum(one.right for one in outcomes) / shown
    console.print(table)
    return figures


def report_refills(refilled: Sequence[Refilled], console: Console) -> Figures:
    table = Table("block", "suffix", "blocks", "parse", "exact", "similarity", "p50 ms")
    figures: Figures = {}
    for length in (*LENGTHS, "all"):
        for with_suffix in (True, False):
            some = [one for one in refilled if one.with_suffix is with_suffix and length in (one.length, "all")]
            if not some:
                continue
            parses, exact = (
                sum(values) / len(some) for values in zip(*((o.parses, o.exact) for o in some), strict=True)
            )
            similarity, ms = sum(one.similarity for one in some) / len(some), median(one.milliseconds for one in some)
            side = "with" if with_suffix else "without"
            table.add_row(
                length, side, str(len(some)), f"{parses:.0%}", f"{exact:.0%}", f"{similarity:.2f}", f"{ms:.0f}"
            )
            if length == "all":
                found = {"parse": parses, "exact": exact, "similarity": similarity, "p50_ms": ms}
                figures |= {f"refill_{side}_suffix_{name}": value for name, value in found.items()}
    console.print(table)
    return figures


def edits_of(file: HeldOut, kind: str) -> list:  # type: ignore[type-arg]
    if file.language != "python":
        return []
    return [no_op(file.text, Random(f"{SEED} {file.path}"))] if kind == QUIET else scripted(kind, file.text)


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[(len(values) - 1) * percent // 100]


async def measure(arguments: argparse.Namespace) -> Figures:
    console, files, models = Console(width=150), held_out(arguments.corpus), Models()
    settings = Config()
    worker = models.lease(ModelChoice(arguments.model, settings.device, settings.dtype, settings.threads))
    await worker.ready()
    figures: Figures = {}
    if arguments.only != "refills":
        figures |= report_next_edits(await next_edits(files, arguments.limit, worker), console)
    if arguments.only != "next":
        figures |= report_refills(await refills(files, arguments.limit, worker), console)
    models.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=200, help="trials of each kind")
    parser.add_argument("--model", default=model_store.EMBEDDED)
    parser.add_argument("--corpus", type=Path, help="a file of held-out texts, instead of the corpus' own")
    parser.add_argument("--only", choices=("next", "refills"))
    figures = asyncio.run(measure(parser.parse_args()))
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
