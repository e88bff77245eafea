"""`lacuna stats`: what was counted over time, for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta

from rich.console import Console
from rich.table import Table

from lacuna.lsp_server.telemetry.daily_counts import Count, Days

_PERIODS = {"today": 1, "7 days": 7, "30 days": 30}  # the last ones, today included; and then all there is
_ROWS = {
    "requests": Count.REQUESTS,
    "suggestions found": Count.SUGGESTED,
    "shown, as editors say": Count.SHOWN,
    "accepted": Count.ACCEPTED,
    "accepted characters": Count.ACCEPTED_CHARACTERS,
    "accepted in part": Count.PARTIALLY_ACCEPTED,
    "characters of these": Count.PARTIALLY_ACCEPTED_CHARACTERS,
}
_SHARES = {
    "accepted of those found": (Count.ACCEPTED, Count.SUGGESTED),
    "still there after 30 seconds": (Count.RETAINED_AFTER_30_S, Count.CHECKED_AFTER_30_S),
    "still there after 5 minutes": (Count.RETAINED_AFTER_5_MIN, Count.CHECKED_AFTER_5_MIN),
}


def as_json(days: Days) -> str:
    """One object: by date, every count that is not zero."""
    return json.dumps(days)


def as_text(days: Days, today: date) -> str:
    """A table of the last days and weeks; what nothing is known of is a dash."""
    periods = {name: _sum(days, today - timedelta(days=length - 1)) for name, length in _PERIODS.items()}
    periods["all"] = _sum(days, date.min)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in periods:
        table.add_column(name, justify="right")
    for label, count in _ROWS.items():
        table.add_row(label, *(f"{counts[count]:,}" for counts in periods.values()))
    for label, (part, whole) in _SHARES.items():
        table.add_row(label, *(_share(counts[part], counts[whole]) for counts in periods.values()))
    console = Console(no_color=True, highlight=False, width=100)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _sum(days: Mapping[str, Counter[str]], first: date) -> Counter[str]:
    return sum((counts for day, counts in days.items() if day >= first.isoformat()), Counter())


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
