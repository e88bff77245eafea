"""How many drafts an automatic request can afford, by what the last ones took."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

REMEMBERED = 8  # requests; enough to outlast one slow one, few enough to notice that the machine has become busy
_READING, _PER_DRAFT = ("prefill",), ("denoise", "rerank")


class DraftBudget:
    def __init__(self) -> None:
        self._reading: deque[float] = deque(maxlen=REMEMBERED)  # milliseconds
        self._drafting: deque[float] = deque(maxlen=REMEMBERED)  # milliseconds per draft

    def spent(self, timings: Mapping[str, float], drafts: int) -> None:
        """A request with so many drafts took so many milliseconds in each of the engine's stages."""
        self._reading.append(sum(timings[stage] for stage in _READING))
        self._drafting.append(sum(timings[stage] for stage in _PER_DRAFT) / drafts)

    def drafts(self, budget_ms: float, most: int) -> int:
        """From 1 to `most`. It is taken as if every draft took as long as the first, though drafts share passes."""
        if not self._drafting:
            return 1
        room = budget_ms - median(self._reading)
        return max(1, min(most, int(room / max(median(self._drafting), 0.1))))
