"""Outcome, latency and counts of requests: a log line each, and percentiles. Without code."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.telemetry.daily_counts import Count, DailyCounts

REMEMBERED = 500  # requests that the percentiles are of

_log = logging.getLogger(__name__)


class Outcome(Enum):
    """How a request ended, where that is not a `Reason` that lies in the text."""

    SHOWN = "shown"
    RECALLED = "shown from memory"
    NOT_READY = "the model is not ready"
    OFF = "switched off"
    NOT_OPEN = "the document is not open"
    OUTSIDE = "the position is outside the document"
    MENU = "the completion menu has something else selected"
    SUPERSEDED = "a newer request came"
    CANCELLED = "the editor took the request back"
    STALE = "the document moved on"
    FAILED = "the model failed"


@dataclass
class Record:
    """One request, filled in while it is worked on."""

    trigger: str
    version: int = 0  # of the document
    kind: str = ""  # the scope that was asked for
    context_chars: int = 0  # prefix and suffix
    candidates: int = 0  # that were asked for
    steps: int = 0  # denoising steps
    forwards: int = 0  # passes through the network
    milliseconds: dict[str, float] = field(default_factory=dict)  # per stage
    outcome: Outcome | Reason = Outcome.FAILED  # until it has ended otherwise

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - start) * 1000.0
            self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent

    def __str__(self) -> str:
        stages = " ".join(f"{name}={spent:.1f}" for name, spent in self.milliseconds.items())
        return (
            f"{self.trigger} version={self.version} kind={self.kind or '-'} context={self.context_chars} chars "
            f"candidates={self.candidates} steps={self.steps} forwards={self.forwards} "
            f"ms: {stages} -> {self.outcome.value}"
        )


class Statistics:
    """Counts for `lacuna.statistics`, which begin anew with the server, and for `lacuna stats`, which do not."""

    def __init__(self, daily: DailyCounts) -> None:
        self._daily = daily
        self._counts: Counter[Count] = Counter()
        self._outcomes: Counter[Outcome | Reason] = Counter()
        self._records: deque[Record] = deque(maxlen=REMEMBERED)

    def add(self, record: Record) -> None:
        """A request has ended."""
        self._outcomes[record.outcome] += 1
        self._records.append(record)
        self.count(Count.REQUESTS)
        if record.outcome is Outcome.SHOWN:
            self.count(Count.SUGGESTED)
        _log.info("%s", record)

    def count(self, what: Count, number: int = 1) -> None:
        """Something else has happened."""
        self._counts[what] += number
        self._daily.add(what, number)

    def report(self) -> dict[str, object]:
        """Counts by outcome; percentiles of the last requests' passes, and of their milliseconds in each stage."""
        return {
            **{count.value: self._counts[count] for count in Count},
            "outcomes": {outcome.name.lower(): count for outcome, count in self._outcomes.most_common()},
            "forwards": _percentiles([record.forwards for record in self._records if record.forwards]),
            "ms": {stage: self._percentiles(stage) for stage in self._stages()},
        }

    def _stages(self) -> list[str]:
        return list(dict.fromkeys(stage for record in self._records for stage in record.milliseconds))

    def _percentiles(self, stage: str) -> dict[str, float]:
        return _percentiles([record.milliseconds[stage] for record in self._records if stage in record.milliseconds])


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many per cent of all do not exceed; 0 of none."""
    ordered = sorted(values) or [0.0]
    return ordered[(len(ordered) - 1) * percent // 100]


def _percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{percent}": round(percentile(values, percent), 2) for percent in (50, 90)}
